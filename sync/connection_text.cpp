#include "sync/connection_text.hpp"

#include <libpq-fe.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>

namespace burgee::sync {
namespace {

/// Defaults of ours where neither the dsn nor the user's environment says anything. A dead peer is
/// noticed after 10 + 3 x 3 s of silence, or 15 s of unacknowledged data; libpq alone waits for
/// hours.
std::map<std::string, std::string> defaults_of(const PgOptions& options) {
    const auto connect_seconds = std::chrono::ceil<std::chrono::seconds>(options.connect_timeout);
    return {{"connect_timeout", std::to_string(std::max<std::int64_t>(connect_seconds.count(), 2))},
            {"application_name", options.application_name},
            {"keepalives_idle", "10"},
            {"keepalives_interval", "3"},
            {"keepalives_count", "3"},
            {"tcp_user_timeout", "15000"},
            {"client_encoding", "UTF8"}};
}

std::string keyword_value(const std::string& value) {
    std::string text = "'";
    for (const char letter : value) {
        if (letter == '\'' || letter == '\\') {
            text += '\\';
        }
        text += letter;
    }
    return text + "'";
}

bool contains_any(const std::string& text, std::initializer_list<const char*> parts) {
    return std::any_of(parts.begin(), parts.end(),
                       [&](const char* part) { return text.find(part) != std::string::npos; });
}

}  // namespace

SyncResult<ConnectionText> connection_text(const PgOptions& options) {
    char* complaint = nullptr;
    const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> parsed(
        PQconninfoParse(options.dsn.c_str(), &complaint), &PQconninfoFree);
    PQfreemem(complaint);
    if (!parsed || options.dsn.find('\0') != std::string::npos) {
        return SyncError{SyncErrorKind::kInvalid, "",
                         "the connection string of the database cannot be read: write "
                         "\"host=... dbname=... user=...\" or \"postgresql://user@host/name\""};
    }
    ConnectionText text;
    std::map<std::string, std::string> defaults = defaults_of(options);
    for (const PQconninfoOption* option = parsed.get(); option->keyword != nullptr; ++option) {
        const std::string keyword = option->keyword;
        std::string value = option->val == nullptr ? "" : option->val;
        const bool is_from_environment =
            option->envvar != nullptr && std::getenv(option->envvar) != nullptr;
        if (value.empty() && !is_from_environment && defaults.contains(keyword)) {
            value = defaults[keyword];
        }
        if (keyword == "password") {
            const char* inherited = std::getenv("PGPASSWORD");
            text.secret = value.empty() && inherited != nullptr ? inherited : value;
        }
        if (!value.empty()) {
            text.keywords += keyword + "=" + keyword_value(value) + " ";
        }
    }
    return text;
}

std::string redacted(std::string message, const std::string& secret) {
    if (!secret.empty()) {
        for (std::size_t at = message.find(secret); at != std::string::npos;
             at = message.find(secret, at + 3)) {
            message.replace(at, secret.size(), "***");
        }
    }
    while (!message.empty() && (message.back() == '\n' || message.back() == ' ')) {
        message.pop_back();
    }
    std::string line;
    for (const char letter : message) {
        if (letter == '\n') {
            line += "; ";
        } else if (letter != '\t' && letter != '\r') {
            line += letter;
        }
    }
    return line;
}

SyncError classify_connect_failure(const std::string& message) {
    // A server that is starting, stopping or full says FATAL too, but gets over it by itself.
    const bool will_pass = contains_any(
        message,
        {"starting up", "shutting down", "recovery mode", "too many", "remaining connection slots",
         "terminating connection", "not yet accepting",
         // A pooler whose server is away or that is full says FATAL as well.
         "server_login_retry", "server login", "cannot connect to server", "login_timeout",
         "query_wait_timeout", "no more connections", "server conn", "max client", "Max client"});
    const bool is_answer =
        contains_any(message, {"FATAL:", "fe_sendauth", "authentication", "no password supplied"});
    if (is_answer && !will_pass) {
        return {SyncErrorKind::kRefused, "", "PostgreSQL refuses the connection: " + message};
    }
    return {SyncErrorKind::kUnreachable, "08001", "PostgreSQL cannot be reached: " + message};
}

}  // namespace burgee::sync
