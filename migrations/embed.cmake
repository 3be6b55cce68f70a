# Writes OUTPUT, a C++ source that holds FILES as raw strings. Run by the build:
#   cmake -DOUTPUT=... "-DFILES=a.sql;b.sql" -P embed.cmake
set(text "// Generated from migrations/*.sql; edit those.\n#include \"sync/migrations.hpp\"\n\nnamespace burgee::sync {\nnamespace {\n\nconstexpr Migration kMigrations[] = {\n")
foreach(file IN LISTS FILES)
    get_filename_component(name ${file} NAME)
    string(REGEX MATCH "^[0-9]+" number ${name})
    math(EXPR version "1${number} - 1000")  # 004 is three digits: no octal surprise
    file(READ ${file} sql)
    string(APPEND text "    {${version}, \"${name}\", R\"burgee_sql(${sql})burgee_sql\"},\n")
endforeach()
string(APPEND text "};\n\n}  // namespace\n\nstd::span<const Migration> all_migrations() { return kMigrations; }\n\n}  // namespace burgee::sync\n")
file(WRITE ${OUTPUT} "${text}")
