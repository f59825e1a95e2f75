/* The style sheet of pages, the helpers of exported scripts and what decides
 * which cells run again, as bytes between two symbols. */
    .section .rodata
    .global html_css
    .global html_css_end
html_css:
    .incbin "agent/html.css"
html_css_end:
    .byte 0
    .global export_runtime
    .global export_runtime_end
export_runtime:
    .incbin "agent/export_runtime.py"
export_runtime_end:
    .byte 0

    .global rerun_plan_code
    .global rerun_plan_code_end
rerun_plan_code:
    .incbin "agent/rerun_plan.py"
rerun_plan_code_end:
    .byte 0

    .section .note.GNU-stack, "", @progbits
