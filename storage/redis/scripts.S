/* The scripts, as they are in the files beside: redis_script_NAME to redis_script_NAME_end. */
    .section .rodata
    .macro script name
    .globl redis_script_\name
    .hidden redis_script_\name
redis_script_\name:
    .incbin "storage/redis/\name\().lua"
    .globl redis_script_\name\()_end
    .hidden redis_script_\name\()_end
redis_script_\name\()_end:
    .byte 0
    .endm

    script greet
    script publish
    script once
    script read
    script presence_set
    script presence_remove
    script presence_read
    script denial_put
    script map
    script map_read
    script map_due
    script beat
    script lease
    script occupy
    script occupants
    .section .note.GNU-stack,"",%progbits
