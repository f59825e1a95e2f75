/* The table of models as bytes between two symbols. */
    .section .rodata
    .global models_tsv
    .global models_tsv_end
models_tsv:
    .incbin "providers/models.tsv"
models_tsv_end:
    .byte 0

    .section .note.GNU-stack, "", @progbits
