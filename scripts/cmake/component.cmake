# A component is a folder: every .cpp in it belongs to its library, except those that hold a
# program's main().

# fanfold_library(NAME SOURCES <file>... [PUBLIC_INCLUDE <folder>]
#     [PUBLIC <library>...] [PRIVATE <library>...])
# makes the static library libfanfold-NAME, known as fanfold::NAME here and in the package.
function(fanfold_library name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "PUBLIC_INCLUDE" "SOURCES;PUBLIC;PRIVATE")
    set(target libfanfold-${name})
    add_library(${target} STATIC ${arg_SOURCES})
    add_library(fanfold::${name} ALIAS ${target})
    set_target_properties(${target} PROPERTIES EXPORT_NAME ${name} OUTPUT_NAME fanfold-${name}
        POSITION_INDEPENDENT_CODE ON)
    target_compile_features(${target} PUBLIC cxx_std_20)
    target_link_libraries(${target} PUBLIC ${arg_PUBLIC} PRIVATE ${arg_PRIVATE}
        $<BUILD_INTERFACE:fanfold-internal>)
    if(arg_PUBLIC_INCLUDE)
        target_include_directories(${target} PUBLIC
            $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/${arg_PUBLIC_INCLUDE}>
                $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    endif()
    set_property(GLOBAL APPEND PROPERTY FANFOLD_LIBRARIES ${target})
endfunction()

# fanfold_program(NAME SOURCES <file>... LIBRARIES <library>...)
# makes the program NAME in bin/.
function(fanfold_program name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBRARIES")
    add_executable(${name} ${arg_SOURCES})
    target_link_libraries(${name} PRIVATE ${arg_LIBRARIES} fanfold-internal)
    # Only what is used is loaded at the start: the guardian, for one, needs none of the libraries.
    target_link_options(${name} PRIVATE -Wl,--as-needed)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
endfunction()
