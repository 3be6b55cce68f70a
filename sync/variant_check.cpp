#include "sync/variant_check.hpp"

#include <simdjson.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "sync/flag_text.hpp"

namespace burgee::sync {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

constexpr std::size_t kVariantsSizeMax = 1U << 20U;  // 1 MiB of JSON a flag; chosen by feel
constexpr int kConfigDepthMax = 16;                  // nested objects; chosen by feel
constexpr std::size_t kConfigFieldCountMax = 4096;   // of one variant; chosen by feel
constexpr std::size_t kConfigPathSizeMax = 4096;     // bytes; the layout has room for 65 535
constexpr double kWeightSumTolerance = 0.01 + 1e-9;  // thirds are written 33.33

/// One variant being read: where complaints go and under which name.
struct VariantReader {
    FlagProblems& problems;
    const VariantRules& rules;
    std::string place;  // "variants[1]"
    bool is_good = true;

    void complain(const std::string& field, std::string message) {
        problems.report(rules.is_ab_test, place + field, std::move(message));
        is_good = false;
    }
    void remark(const std::string& field, std::string message) {
        problems.warn(place + field, std::move(message));
    }
};

ConfigScalar scalar_of(std::string path, const element& value) {
    switch (value.type()) {
        case element_type::BOOL:
            return {std::move(path), bool(value)};
        case element_type::INT64:
            return {std::move(path), std::int64_t(value)};
        case element_type::UINT64:  // simdjson says so only above the largest int64
            return {std::move(path), static_cast<double>(std::uint64_t(value))};
        case element_type::DOUBLE: {
            const double number = value;
            const bool is_whole = std::trunc(number) == number && std::abs(number) < 0x1p63;
            return is_whole ? ConfigScalar{std::move(path), static_cast<std::int64_t>(number)}
                            : ConfigScalar{std::move(path), number};
        }
        default:
            return {std::move(path), std::string(std::string_view(value))};
    }
}

/// Lays nested objects out flat. Fields of the object itself come before those of its inner
/// objects, so that of two equal paths the more literal key stands first and wins.
void flatten(const simdjson::dom::object& object, const std::string& prefix, int depth,
             std::vector<ConfigScalar>& fields, VariantReader& reader) {
    if (depth > kConfigDepthMax) {
        reader.complain(
            ".config_overrides",
            "is nested deeper than " + std::to_string(kConfigDepthMax) + " objects: flatten it");
        return;
    }
    for (const auto& [key, value] : object) {
        std::string path = prefix + std::string(key);
        if (path.size() > kConfigPathSizeMax || fields.size() >= kConfigFieldCountMax) {
            reader.complain(".config_overrides",
                            "has a path of more than " + std::to_string(kConfigPathSizeMax) +
                                " bytes or more than " + std::to_string(kConfigFieldCountMax) +
                                " fields: make it smaller");
            return;
        }
        const element_type type = value.type();
        if (type != element_type::OBJECT && type != element_type::ARRAY &&
            type != element_type::NULL_VALUE) {
            fields.push_back(scalar_of(std::move(path), value));
        }
    }
    for (const auto& [key, value] : object) {
        if (value.type() == element_type::OBJECT && reader.is_good) {
            flatten(value, prefix + std::string(key) + ".", depth + 1, fields, reader);
        }
    }
}

void keep_first_of_equal_paths(std::vector<ConfigScalar>& fields) {
    std::set<std::string> seen;
    std::erase_if(fields,
                  [&](const ConfigScalar& field) { return !seen.insert(field.path).second; });
}

void read_weight(const simdjson::dom::object& object, VariantDefinition& variant,
                 VariantReader& reader) {
    element value;
    double weight = 0;
    if (object["weight"].get(value) != simdjson::SUCCESS || value.is_null()) {
        reader.complain(".weight", "is missing: give the percentage of units, 0 to 100");
    } else if (value.get(weight) != simdjson::SUCCESS) {
        reader.complain(".weight", "is not a number: give the percentage of units, 0 to 100");
    } else if (!(weight >= 0 && weight <= 100)) {
        reader.complain(".weight", "is " + std::to_string(weight) + ": it must lie in 0 to 100");
    } else {
        variant.weight = weight;
    }
}

VariantDefinition read_variant(const simdjson::dom::object& object, VariantReader& reader) {
    VariantDefinition variant;
    std::string_view name;
    if (object["name"].get(name) != simdjson::SUCCESS) {
        reader.complain(".name", "is missing or not a text: give the variant a name");
    } else if (const auto complaint = name_complaint(name, kFlagNameSizeMax)) {
        reader.complain(".name", *complaint);
    }
    variant.name = name;
    read_weight(object, variant, reader);
    element config;
    simdjson::dom::object fields;
    variant.config_json = "{}";
    if (object["config_overrides"].get(config) == simdjson::SUCCESS && !config.is_null()) {
        if (config.get(fields) != simdjson::SUCCESS) {
            reader.complain(".config_overrides", "is not a JSON object: write {\"key\": value}");
        } else {
            flatten(fields, "", 1, variant.config, reader);
            keep_first_of_equal_paths(variant.config);
        }
    }
    for (const auto& [key, value] : object) {
        static const std::set<std::string_view> kKnown = {"name", "weight", "config_overrides",
                                                          "metadata", "description"};
        if (!kKnown.contains(key)) {
            reader.remark("." + shown_text(key),
                          "is not a key of a variant and is ignored: remove it");
        }
    }
    return variant;
}

/// Copies each variant's config_overrides as PostgreSQL wrote it. The text was parsed before, so
/// errors here can only be limits of the library; the object stays "{}" then.
void copy_config_texts(const simdjson::padded_string& text,
                       std::vector<VariantDefinition>& variants) {
    simdjson::ondemand::parser parser;
    simdjson::ondemand::document document;
    simdjson::ondemand::array array;
    if (parser.iterate(text).get(document) != simdjson::SUCCESS ||
        document.get_array().get(array) != simdjson::SUCCESS) {
        return;
    }
    std::size_t index = 0;
    for (auto item : array) {
        simdjson::ondemand::object variant;
        simdjson::ondemand::object config;
        std::string_view raw;
        if (item.get_object().get(variant) == simdjson::SUCCESS &&
            variant.find_field_unordered("config_overrides").get_object().get(config) ==
                simdjson::SUCCESS &&
            config.raw_json().get(raw) == simdjson::SUCCESS) {
            variants.at(index).config_json = raw.substr(0, raw.rfind('}') + 1);
        }
        ++index;
    }
}

void check_together(const std::vector<VariantDefinition>& variants, VariantReader& whole) {
    std::set<std::string> names;
    double sum = 0;
    int weighty = 0;
    for (std::size_t index = 0; index < variants.size(); ++index) {
        const VariantDefinition& variant = variants[index];
        if (!names.insert(variant.name).second) {
            whole.complain("[" + std::to_string(index) + "].name",
                           "\"" + shown_text(variant.name) + "\" is there twice: rename one");
        }
        sum += variant.weight;
        weighty += variant.weight > 0 ? 1 : 0;
    }
    if (whole.rules.is_ab_test && weighty < 2) {
        whole.complain("", "an ab_test needs two variants with a weight above 0, this one has " +
                               std::to_string(weighty) + ": add variants");
    } else if (!variants.empty() && !whole.rules.is_legacy &&
               std::abs(sum - 100) > kWeightSumTolerance) {
        whole.complain("", "weights sum to " + std::to_string(sum) + ": make them sum to 100");
    }
}

}  // namespace

std::vector<VariantDefinition> read_variants(const std::string& json, const VariantRules& rules,
                                             FlagProblems& problems) {
    VariantReader whole{problems, rules, "variants"};
    std::vector<VariantDefinition> variants;
    if (json.size() > kVariantsSizeMax) {
        whole.complain("", "has more than 1 MiB of JSON: make the configuration smaller");
        return variants;
    }
    const simdjson::padded_string text(json);
    simdjson::dom::parser parser;
    simdjson::dom::array array;
    element document;
    if (const auto error = parser.parse(text).get(document)) {
        whole.complain("", std::string("is not JSON we can read (") +
                               simdjson::error_message(error) + "): correct it");
    } else if (document.get(array) != simdjson::SUCCESS) {
        whole.complain("", "is not a JSON array: write [{\"name\": ..., \"weight\": ...}, ...]");
    } else if (array.size() > kVariantCountMax) {
        whole.complain("", "holds " + std::to_string(array.size()) + " variants: at most " +
                               std::to_string(kVariantCountMax) + " are possible");
    } else {
        for (const element& item : array) {
            VariantReader reader{problems, rules,
                                 "variants[" + std::to_string(variants.size()) + "]"};
            simdjson::dom::object object;
            if (item.get(object) != simdjson::SUCCESS) {
                reader.complain("", "is not a JSON object: write {\"name\": ..., \"weight\": ...}");
                variants.emplace_back();
            } else {
                variants.push_back(read_variant(object, reader));
            }
            whole.is_good = whole.is_good && reader.is_good;
        }
        if (whole.is_good) {
            check_together(variants, whole);
        }
        if (whole.is_good) {
            copy_config_texts(text, variants);
        }
    }
    if (!whole.is_good) {
        variants.clear();
    }
    return variants;
}

}  // namespace burgee::sync
