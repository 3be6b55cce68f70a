#include "daemon/log.hpp"

#include <cstdlib>
#include <memory>

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace burgee::daemon {
namespace {

/// `%&`: the message with everything escaped that would break a JSON string or a log line.
class EscapedMessage : public spdlog::custom_flag_formatter {
public:
    explicit EscapedMessage(bool is_json) : is_json_(is_json) {}

    void format(const spdlog::details::log_msg& message, const std::tm&,
                spdlog::memory_buf_t& out) override {
        constexpr char kHex[] = "0123456789abcdef";
        for (const char c : message.payload) {
            const auto byte = static_cast<unsigned char>(c);
            if (byte < 0x20 || byte == 0x7F) {
                const char escape[] = {'\\', 'u', '0', '0', kHex[byte >> 4U], kHex[byte & 15U]};
                out.append(escape, escape + sizeof escape);
            } else if (is_json_ && (c == '"' || c == '\\')) {
                out.push_back('\\');
                out.push_back(c);
            } else {
                out.push_back(c);
            }
        }
    }
    std::unique_ptr<custom_flag_formatter> clone() const override {
        return std::make_unique<EscapedMessage>(is_json_);
    }

private:
    bool is_json_;
};

/// `%*`: the syslog priority that journald reads from the start of a line.
class Priority : public spdlog::custom_flag_formatter {
public:
    void format(const spdlog::details::log_msg& message, const std::tm&,
                spdlog::memory_buf_t& out) override {
        const char digit = message.level >= spdlog::level::err    ? '3'
                           : message.level == spdlog::level::warn ? '4'
                           : message.level == spdlog::level::info ? '6'
                                                                  : '7';
        const char prefix[] = {'<', digit, '>'};
        out.append(prefix, prefix + sizeof prefix);
    }
    std::unique_ptr<custom_flag_formatter> clone() const override {
        return std::make_unique<Priority>();
    }
};

}  // namespace

void start_log(const std::string& level, const std::string& format) {
    const bool is_json = format == "json";
    const bool is_journal = std::getenv("JOURNAL_STREAM") != nullptr;
    auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
    formatter->add_flag<EscapedMessage>('&', is_json).add_flag<Priority>('*');
    if (is_json) {
        formatter->set_pattern(R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l","message":"%&"})");
    } else {
        formatter->set_pattern(is_journal ? "%*%&" : "%Y-%m-%dT%H:%M:%S.%eZ %l %&");
    }
    auto logger = std::make_shared<spdlog::logger>(
        "burgeed", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    logger->set_formatter(std::move(formatter));
    logger->set_level(spdlog::level::from_str(level));
    logger->flush_on(spdlog::level::trace);
    spdlog::set_default_logger(std::move(logger));
}

}  // namespace burgee::daemon
