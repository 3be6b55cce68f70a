# What every translation unit of ours is compiled with, and where the third parties come from.
#   burgee::project  C++20, our warnings as errors, includes from the project's root

set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set_property(GLOBAL PROPERTY JOB_POOLS burgee_link=2)
set(CMAKE_JOB_POOL_LINK burgee_link)

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
# 1.74, Debian's default, has an Asio whose coroutines GCC 12 does not compile: ask for 1.81 by name.
set(Boost_NO_SYSTEM_PATHS OFF)
find_package(Boost 1.81 EXACT REQUIRED)
find_package(Eigen3 3.4 REQUIRED NO_MODULE)
find_package(spdlog REQUIRED)
find_package(simdjson REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(CLI11 REQUIRED)
pkg_check_modules(PQXX REQUIRED IMPORTED_TARGET libpqxx)
pkg_check_modules(PQ REQUIRED IMPORTED_TARGET libpq)

add_library(burgee_project INTERFACE)
add_library(burgee::project ALIAS burgee_project)
target_compile_features(burgee_project INTERFACE cxx_std_20)
target_include_directories(burgee_project INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(burgee_project INTERFACE
    -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wnon-virtual-dtor
    -Wold-style-cast -Wcast-align -Woverloaded-virtual -Wimplicit-fallthrough -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_BUILD_TYPE STREQUAL "Release")
    # At -O3 GCC 12 sees overlapping copies in std::string's operator+ (GCC bug 105651).
    target_compile_options(burgee_project INTERFACE -Wno-restrict)
endif()
