#include "sync/segments_check.hpp"

#include <simdjson.h>

#include <algorithm>
#include <array>

#include "sync/flag_text.hpp"
#include "sync/json_object.hpp"
#include "sync/targeting_check.hpp"

namespace burgee::sync {
namespace {

using simdjson::dom::element;
using simdjson::dom::object;

constexpr std::size_t kSegmentsSizeMax = 64U << 20U;  // 64 MiB: room for a million unit ids
constexpr std::size_t kUnitSizeMax = 4096;            // bytes of one id; chosen by feel
constexpr std::size_t kAttributeSizeMax = 256;        // bytes of an attribute's name, as a flag's
constexpr std::string_view kLegacySalt = "rag-cms-features";  // of the Python system, fixed there

constexpr std::array<std::string_view, 11> kUnderstood = {
    "type",     "bucketing", "salt",     "bucket_by", "include",   "exclude",
    "audience", "rules",     "requires", "layer",     "value_type"};
/// Types that the Python system names and treats as hash_based.
constexpr std::array<std::string_view, 3> kLegacyHashTypes = {"user_attribute", "geographic",
                                                              "time_based"};

template <std::size_t kCount>
bool contains(const std::array<std::string_view, kCount>& list, std::string_view text) {
    return std::find(list.begin(), list.end(), text) != list.end();
}

std::string field_of(std::string_view key) {
    return "segments." + shown_text(key);
}

/// The text under `key`; "" when it is absent, and a refusal when it is no text.
std::string text_of(const object& segments, std::string_view key, FlagProblems& problems) {
    element value;
    std::string_view text;
    if (is_present(segments, key, value) &&
        (value.get(text) != simdjson::SUCCESS || text.empty())) {
        problems.refuse(field_of(key), "is not a text with something in it: correct or remove it");
    }
    return std::string(text);
}

struct ListBounds {
    std::size_t count_max;
    std::size_t size_max;  // bytes of one entry
};

std::vector<std::string> texts_of(const object& segments, std::string_view key,
                                  const ListBounds& bounds, FlagProblems& problems) {
    std::vector<std::string> texts;
    element value;
    simdjson::dom::array array;
    if (!is_present(segments, key, value)) {
        return texts;
    }
    if (value.get(array) != simdjson::SUCCESS) {
        problems.refuse(field_of(key), "is not a JSON array of texts: write [\"...\", ...]");
        return texts;
    }
    for (const element& item : array) {
        const std::string place = field_of(key) + "[" + std::to_string(texts.size()) + "]";
        std::string_view text;
        std::int64_t number = 0;
        std::uint64_t natural = 0;
        if (item.get(number) == simdjson::SUCCESS) {
            texts.push_back(std::to_string(number));  // 42 and "42" are one unit
        } else if (item.get(natural) == simdjson::SUCCESS) {
            texts.push_back(std::to_string(natural));
        } else if (item.get(text) != simdjson::SUCCESS || text.empty() ||
                   text.size() > bounds.size_max) {
            problems.refuse(place, "is not a text of 1 to " + std::to_string(bounds.size_max) +
                                       " bytes: correct it");
            return texts;
        } else {
            texts.emplace_back(text);
        }
        if (texts.size() > bounds.count_max) {
            problems.refuse(field_of(key),
                            "has more than " + std::to_string(bounds.count_max) + " entries");
            return texts;
        }
    }
    return texts;
}

void read_type(const object& segments, FlagDefinition& flag, FlagProblems& problems) {
    const std::string type = text_of(segments, "type", problems);
    if (type == "random") {
        flag.strategy = Strategy::kRandom;
    } else if (!type.empty() && type != "hash_based") {
        const bool is_refusal = flag.bucketing != Bucketing::kLegacyMd5;
        std::string advice =
            is_refusal ? "write \"hash_based\" or \"random\"" : "it is treated as hash_based";
        if (!is_refusal && !contains(kLegacyHashTypes, type)) {
            advice += ", as the former system does with every type it does not know";
        }
        problems.report(is_refusal, "segments.type",
                        "\"" + shown_text(type) + "\" is no type: " + advice);
    }
}

/// True when the row itself names its bucketing; else the setting decides.
bool read_bucketing(const object& segments, FlagDefinition& flag, FlagProblems& problems) {
    const std::string bucketing = text_of(segments, "bucketing", problems);
    if (bucketing.empty()) {
        return false;
    }
    if (bucketing == "legacy_md5") {
        flag.bucketing = Bucketing::kLegacyMd5;
    } else if (bucketing == "xxh3") {
        flag.bucketing = Bucketing::kXxh3;
    } else {
        problems.refuse(
            "segments.bucketing",
            "\"" + shown_text(bucketing) + "\" is not known: write \"xxh3\" or \"legacy_md5\"");
    }
    return true;
}

void check_keys(const object& segments, const FlagDefinition& flag, bool is_legacy_by_setting,
                FlagProblems& problems) {
    const bool is_legacy = flag.bucketing == Bucketing::kLegacyMd5;
    for (const auto& [key, value] : segments) {
        if (is_legacy_by_setting) {
            if (key != "type") {
                problems.warn(field_of(key),
                              "is ignored, as the former system did: write \"bucketing\" to give "
                              "it a meaning");
            }
        } else if (!contains(kUnderstood, key)) {
            problems.report(
                !is_legacy, field_of(key),
                is_legacy
                    ? std::string("is not known and ignored, as the former system did: remove it")
                    : "is not known: remove it or correct its spelling" +
                          meant(key, kUnderstood, problems));
        }
    }
}

}  // namespace

void read_segments(const std::string& json, const FlagSettings& settings, FlagDefinition& flag,
                   FlagProblems& problems) {
    flag.bucketing = settings.default_bucketing;
    const bool is_legacy_default = settings.default_bucketing == Bucketing::kLegacyMd5;
    flag.salt = is_legacy_default ? std::string(kLegacySalt) : flag.name;
    if (json.size() > kSegmentsSizeMax) {
        problems.refuse("segments", "has more than 64 MiB of JSON: make it smaller");
        return;
    }
    simdjson::dom::parser parser;
    element document;
    object segments;
    if (const auto error = parse_json(parser, json, document)) {
        problems.refuse("segments", std::string("is not JSON we can read (") +
                                        simdjson::error_message(error) + "): correct it");
        return;
    }
    if (document.get(segments) != simdjson::SUCCESS) {
        problems.refuse("segments", "is not a JSON object: write {\"key\": value}");
        return;
    }
    const bool is_explicit = read_bucketing(segments, flag, problems);
    const bool is_legacy_by_setting = !is_explicit && is_legacy_default;
    read_type(segments, flag, problems);
    check_keys(segments, flag, is_legacy_by_setting, problems);
    if (is_legacy_by_setting) {
        return;
    }
    const std::string salt = text_of(segments, "salt", problems);
    const bool is_legacy = flag.bucketing == Bucketing::kLegacyMd5;
    flag.salt = !salt.empty() ? salt : is_legacy ? std::string(kLegacySalt) : flag.name;
    flag.bucket_by =
        texts_of(segments, "bucket_by", {kBucketByCountMax, kAttributeSizeMax}, problems);
    flag.include = texts_of(segments, "include", {1U << 20U, kUnitSizeMax}, problems);
    flag.exclude = texts_of(segments, "exclude", {1U << 20U, kUnitSizeMax}, problems);
    read_targeting(segments, flag, problems);
}

}  // namespace burgee::sync
