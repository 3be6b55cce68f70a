# A private PostgreSQL server: own data directory, a Unix socket, no TCP port, never root. Sourced by
# scripts/demo; never run by itself. State lives in the directory given and in these variables:
#
#   POSTGRES_BIN   where the server's programs are
#   POSTGRES_DSN   how to connect to the server that start_postgres has started

POSTGRES_BIN=
POSTGRES_DSN=

find_postgres() {
    local directory
    for directory in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -rV); do
        if [ -x "$directory/initdb" ] && [ -x "$directory/postgres" ]; then
            POSTGRES_BIN=$directory
            return 0
        fi
    done
    echo "no PostgreSQL server under /usr/lib/postgresql: install the package postgresql-15" >&2
    return 1
}

# The server refuses to run as root; then the package's own user runs it.
as_postgres() {
    if [ "$(id -u)" -eq 0 ]; then
        setpriv --reuid=postgres --regid=postgres --clear-groups --inh-caps=-all -- "$@"
    else
        "$@"
    fi
}

# start_postgres DIRECTORY: creates DIRECTORY with a server in it and starts that. Returns when it
# takes connections; on failure its log is shown.
start_postgres() {
    local directory=$1
    find_postgres
    mkdir -p "$directory"
    if [ "$(id -u)" -eq 0 ]; then
        chown postgres:postgres "$directory"
    fi
    local user
    user=$(id -un)
    (
        cd "$directory"
        as_postgres "$POSTGRES_BIN/initdb" -D "$directory/data" -U "$user" -A trust -N \
            --no-instructions -E UTF8 --locale=C.UTF-8 >"$directory/initdb.log" 2>&1 ||
            { cat "$directory/initdb.log" >&2; exit 1; }
        as_postgres "$POSTGRES_BIN/pg_ctl" -D "$directory/data" -l "$directory/server.log" -w -s \
            -o "-c listen_addresses='' -c unix_socket_directories='$directory'" start ||
            { cat "$directory/server.log" >&2; exit 1; }
    ) || return 1
    POSTGRES_DSN="host=$directory dbname=postgres user=$user"
}

# stop_postgres DIRECTORY: quiet when nothing runs there.
stop_postgres() {
    if [ -n "$POSTGRES_BIN" ] && [ -f "$1/data/postmaster.pid" ]; then
        (cd "$1" && as_postgres "$POSTGRES_BIN/pg_ctl" -D "$1/data" -m fast -w -s stop) || true
    fi
}

# sql 'QUERY' [NAME=VALUE ...]: one query's value as plain text; :'NAME' in it stands for the value,
# quoted by psql.
sql() {
    local query=$1 assignment arguments=()
    shift
    for assignment in "$@"; do
        arguments+=(-v "$assignment")
    done
    printf '%s\n' "$query" |
        "$POSTGRES_BIN/psql" -XqtA -v ON_ERROR_STOP=1 "${arguments[@]}" "$POSTGRES_DSN"
}
