#pragma once

// A snapshot that tests spoil: change exactly one thing, make the checksums right again, ask which
// check refuses it.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "tests/shm/sample_flags.hpp"

namespace burgee::test {

class SpoiltSnapshot : public ::testing::Test {
protected:
    explicit SpoiltSnapshot(std::vector<std::byte> bytes) : bytes_(std::move(bytes)) {}

    SnapshotHeader header() const {
        SnapshotHeader copy;
        std::memcpy(&copy, bytes_.data(), sizeof copy);
        return copy;
    }
    std::vector<SectionEntry> table() const {
        std::vector<SectionEntry> copy(header().section_count);
        std::memcpy(copy.data(), bytes_.data() + sizeof(SnapshotHeader),
                    copy.size() * sizeof(SectionEntry));
        return copy;
    }
    /// The section's entry; one that is left out ends the test.
    static SectionEntry& entry_of(std::vector<SectionEntry>& entries, SectionType type) {
        const auto found =
            std::ranges::find(entries, static_cast<std::uint32_t>(type), &SectionEntry::type);
        if (found == entries.end()) {
            throw std::logic_error("the snapshot has no such section");
        }
        return *found;
    }
    /// Writes header and table back with a right header checksum, so that later checks decide.
    void store(SnapshotHeader header, const std::vector<SectionEntry>& table) {
        header.header_checksum = header_checksum(header, table.data());
        std::memcpy(bytes_.data() + sizeof header, table.data(),
                    table.size() * sizeof(SectionEntry));
        std::memcpy(bytes_.data(), &header, sizeof header);
    }
    ViewError spoil_header(const std::function<void(SnapshotHeader&)>& change) {
        SnapshotHeader spoilt = header();
        change(spoilt);
        const std::vector<SectionEntry> entries = table();
        store(spoilt, entries);
        return open_error(bytes_);
    }
    ViewError spoil_section(SectionType type, const std::function<void(SectionEntry&)>& change) {
        std::vector<SectionEntry> entries = table();
        change(entry_of(entries, type));
        store(header(), entries);
        return open_error(bytes_);
    }
    /// Makes all checksums right again after a body was spoilt, so that its structure decides.
    void seal() {
        SnapshotHeader sealed = header();
        std::vector<SectionEntry> entries = table();
        std::vector<std::uint64_t> checksums;
        for (SectionEntry& entry : entries) {
            entry.checksum = hash64(bytes_.data() + entry.offset, entry.size_bytes);
            checksums.push_back(entry.checksum);
        }
        sealed.content_hash = hash64(checksums.data(), checksums.size() * sizeof checksums[0]);
        store(sealed, entries);
    }
    template <typename Record>
    ViewError spoil_record(SectionType type, std::size_t number,
                           const std::function<void(Record&)>& change) {
        std::vector<SectionEntry> entries = table();
        std::byte* at = bytes_.data() + entry_of(entries, type).offset + number * sizeof(Record);
        Record record;
        std::memcpy(&record, at, sizeof record);
        change(record);
        std::memcpy(at, &record, sizeof record);
        seal();
        EXPECT_EQ(open_error(bytes_), ViewError::kNone) << "bodies are not read by open()";
        return full_error(bytes_);
    }
    SnapshotView view() const {
        SnapshotView opened;
        EXPECT_EQ(SnapshotView::open(bytes_.data(), bytes_.size(), opened), ViewError::kNone);
        return opened;
    }

    std::vector<std::byte> bytes_;
};

}  // namespace burgee::test
