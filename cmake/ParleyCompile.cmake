# What every target is compiled with: one interface target, so that no folder has its own idea of it.
add_library(parley-compile INTERFACE)

target_compile_definitions(parley-compile INTERFACE _GNU_SOURCE
                           PARLEY_VERSION="${PROJECT_VERSION}")
target_include_directories(parley-compile INTERFACE ${PROJECT_SOURCE_DIR})

target_compile_options(parley-compile INTERFACE
    $<$<COMPILE_LANGUAGE:C>:
        -Wall -Wextra -Werror
        -Wshadow -Wundef -Wvla -Wcast-qual -Wcast-align -Wpointer-arith -Wwrite-strings
        -Wstrict-prototypes -Wmissing-prototypes -Wmissing-declarations -Wold-style-definition
        -Wredundant-decls -Wnested-externs -Winit-self -Wfloat-equal -Wdouble-promotion
        -Wformat=2 -Wimplicit-fallthrough -Wswitch-default -Wunused-macros -Wstack-protector
        -Wno-missing-field-initializers -Wno-unused-parameter>
    # A parked task is dumped by walking frame pointers.
    -fno-omit-frame-pointer -fno-strict-aliasing)

if(PARLEY_ASAN)
    target_compile_options(parley-compile INTERFACE -fsanitize=address,undefined
                           -fno-sanitize-recover=all)
    target_link_options(parley-compile INTERFACE -fsanitize=address,undefined)
    target_compile_definitions(parley-compile INTERFACE PARLEY_SANITIZED=1)
endif()
if(PARLEY_TSAN)
    target_compile_options(parley-compile INTERFACE -fsanitize=thread)
    target_link_options(parley-compile INTERFACE -fsanitize=thread)
    target_compile_definitions(parley-compile INTERFACE PARLEY_SANITIZED=1)
endif()
if(PARLEY_FUZZ)
    target_compile_options(parley-compile INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(PARLEY_UCONTEXT)
    target_compile_definitions(parley-compile INTERFACE PARLEY_UCONTEXT=1)
endif()
if(PARLEY_VALGRIND)
    target_compile_definitions(parley-compile INTERFACE PARLEY_VALGRIND=1)
endif()

if(CMAKE_BUILD_TYPE STREQUAL "Release")
    target_compile_options(parley-compile INTERFACE
        -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection
        $<$<STREQUAL:${CMAKE_SYSTEM_PROCESSOR},x86_64>:-fcf-protection=none>)
    target_link_options(parley-compile INTERFACE -Wl,-z,relro,-z,now -Wl,-z,noexecstack -Wl,--as-needed)
endif()

# parley_library(NAME LIBRARY...): one static library of every .c and .S file in the folder, linking
# only what is named. What the folder may depend on is what it names here.
function(parley_library name)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.c
         ${CMAKE_CURRENT_SOURCE_DIR}/*.S)
    list(FILTER sources EXCLUDE REGEX "/main\\.c$")
    if(NOT sources) # nothing there yet
        add_library(${name} INTERFACE)
        target_link_libraries(${name} INTERFACE parley-compile ${ARGN})
        return()
    endif()
    add_library(${name} STATIC ${sources})
    target_link_libraries(${name} PUBLIC parley-compile ${ARGN})
    set_target_properties(${name} PROPERTIES LINKER_LANGUAGE C POSITION_INDEPENDENT_CODE ON)
endfunction()
