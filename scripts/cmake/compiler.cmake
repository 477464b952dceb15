# How everything of ours is compiled: standard, warnings, sanitizers, and what makes the build
# quick.

if(PROJECT_IS_TOP_LEVEL)
    if(NOT CMAKE_BUILD_TYPE)
        set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
    endif()
    # Relative paths in the cache's keys: another clone of the same sources finds what the first one
    # compiled.
    find_program(CCACHE_PROGRAM ccache)
    if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
        set(CMAKE_CXX_COMPILER_LAUNCHER env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1
            ${CCACHE_PROGRAM})
    endif()
    find_program(MOLD_PROGRAM mold)
    if(MOLD_PROGRAM)
        add_link_options(-fuse-ld=mold)
    endif()
endif()

if(FANFOLD_SANITIZER)
    add_compile_options(-fsanitize=${FANFOLD_SANITIZER} -fno-sanitize-recover=all
        -fno-omit-frame-pointer)
    # The check of a call's type opens a pipe, so in a program that has no file left it finds
    # faults where there are none.
    add_compile_options(-fno-sanitize=vptr)
    add_link_options(-fsanitize=${FANFOLD_SANITIZER})
endif()

set(CMAKE_CXX_EXTENSIONS OFF)

# What our own targets share and no user of the installed package sees.
add_library(fanfold-internal INTERFACE)
target_compile_features(fanfold-internal INTERFACE cxx_std_20)
target_include_directories(fanfold-internal INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_definitions(fanfold-internal INTERFACE FANFOLD_VERSION="${PROJECT_VERSION}"
    MSGPACK_NO_BOOST)
target_compile_options(fanfold-internal INTERFACE -Wall -Wextra -Wconversion -Wshadow -Werror)
target_link_libraries(fanfold-internal INTERFACE
    Threads::Threads msgpackc-cxx cppzmq spdlog::spdlog fmt::fmt tl::expected
        nlohmann_json::nlohmann_json CLI11::CLI11)

# The sanitizers' builds compile ten files as one, which takes a third of the time. What one file
# hides from another in the release build is one namespace there.
if(CMAKE_UNITY_BUILD)
    target_compile_options(fanfold-internal INTERFACE -Wno-shadow
        $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
endif()

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    if(CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
        # GCC 12 warns of overlapping copies inside its own std::string (its bug 105651).
        target_compile_options(fanfold-internal INTERFACE -Wno-restrict)
    endif()
    # A guess by its nature: GCC 12 makes it of an optional std::string, and of anything under a
    # sanitizer.
    target_compile_options(fanfold-internal INTERFACE -Wno-error=maybe-uninitialized)
endif()
