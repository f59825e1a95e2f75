/* What reports are made with: style and script of their pages, and the cells that convert. */
    .section .rodata
    .macro embed symbol, file
    .global \symbol
    .global \symbol\()_end
\symbol:
    .incbin "\file"
\symbol\()_end:
    .byte 0
    .endm
    embed report_css, "agent/report.css"
    embed report_sort_js, "agent/report_sort.js"
    embed report_pdf_py, "agent/report_pdf.py"
    embed report_xlsx_py, "agent/report_xlsx.py"

    .section .note.GNU-stack, "", @progbits
