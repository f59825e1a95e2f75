/* The style sheet of pages, and the helpers of exported scripts, as bytes between two symbols. */
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

    .section .note.GNU-stack, "", @progbits
