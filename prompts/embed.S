/* Each file of prompts/ as bytes between two symbols. */
    .section .rodata
    .macro embed name, file
    .global prompt_\name
    .global prompt_\name\()_end
prompt_\name:
    .incbin "\file"
prompt_\name\()_end:
    .byte 0
    .endm

    embed system_md, "prompts/system.md"
    embed tool_python_md, "prompts/tool_python.md"
    embed tool_python_json, "prompts/tool_python.json"
    embed tool_code_json, "prompts/tool_code.json"
    embed tool_javascript_md, "prompts/tool_javascript.md"
    embed tool_typescript_md, "prompts/tool_typescript.md"
    embed tool_bash_md, "prompts/tool_bash.md"
    embed tool_go_md, "prompts/tool_go.md"
    embed tool_java_md, "prompts/tool_java.md"
    embed tool_r_md, "prompts/tool_r.md"
    embed last_turn_md, "prompts/last_turn.md"
    embed empty_reply_md, "prompts/empty_reply.md"
    embed fenced_md, "prompts/fenced.md"
    embed no_progress_md, "prompts/no_progress.md"
    embed resumed_md, "prompts/resumed.md"
    embed ground_repair_md, "prompts/ground_repair.md"
    embed params_md, "prompts/params.md"
    embed report_md, "prompts/report.md"
    embed rerun_repair_md, "prompts/rerun_repair.md"
    embed report_repair_md, "prompts/report_repair.md"
    embed schema_md, "prompts/schema.md"
    embed schema_repair_md, "prompts/schema_repair.md"

    .section .note.GNU-stack, "", @progbits
