#include "daemon/spool/spare_files.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <span>

namespace burgee::daemon {
namespace {

/// What one write of zeros carries. Chosen by feel, change freely.
constexpr std::size_t kZerosSize = 256U << 10U;

}  // namespace

SpareFiles::SpareFiles(SpoolDisk& disk, std::uint64_t size_bytes,
                       const std::vector<std::string>& names)
    : disk_(disk), size_bytes_(size_bytes) {
    for (const std::string& name : names) {
        const std::string digits = name.substr(std::strlen(kSparePrefix));
        next_no_ =
            std::max<std::uint64_t>(next_no_, std::strtoull(digits.c_str(), nullptr, 10) + 1);
        spares_.push_back({name});  // whether it is filled is written nowhere
    }
}

std::string SpareFiles::new_name() {
    return kSparePrefix + std::to_string(next_no_++);
}

int SpareFiles::make() {
    std::string name = new_name();
    std::unique_ptr<SpoolFile> file;
    int error = disk_.open(name, true, &file);
    if (error == 0) {
        error = file->allocate(size_bytes_);
    }
    if (error == 0) {
        spares_.push_back({std::move(name)});
    } else {
        disk_.remove(name);
    }
    return error;
}

std::string SpareFiles::take() {
    const auto filled = std::find_if(spares_.begin(), spares_.end(),
                                     [](const Spare& each) { return each.is_filled; });
    const auto taken = filled == spares_.end() ? std::prev(filled) : filled;
    std::string name = std::move(taken->name);
    spares_.erase(taken);
    if (filling_ && filling_->name == name) {
        filling_.reset();  // too late for the rest of it
    }
    return name;
}

void SpareFiles::fill(std::uint64_t size_bytes) {
    if (!filling_ && !begin_filling()) {
        return;
    }
    static const std::vector<std::byte> zeros(kZerosSize);
    const std::uint64_t begin = filling_->offset;
    const std::uint64_t end = std::min(begin + size_bytes, size_bytes_);
    while (filling_->offset < end) {
        const std::uint64_t part = std::min<std::uint64_t>(zeros.size(), end - filling_->offset);
        if (filling_->file->write(std::span(zeros).first(part), filling_->offset) != 0) {
            end_filling(false);
            return;
        }
        filling_->offset += part;
    }
    filling_->file->begin_write_back(begin, end - begin);
    if (end == size_bytes_) {
        end_filling(filling_->file->sync() == 0);
    }
}

bool SpareFiles::begin_filling() {
    const bool has_filled = std::any_of(spares_.begin(), spares_.end(),
                                        [](const Spare& each) { return each.is_filled; });
    if (has_filled || spares_.empty()) {
        return false;
    }
    Filling filling;
    filling.name = spares_.back().name;
    if (disk_.open(filling.name, false, &filling.file) != 0) {
        return false;  // whoever takes it will say what is wrong
    }
    filling_ = std::move(filling);
    return true;
}

void SpareFiles::end_filling(bool is_written) {
    const auto spare = std::find_if(spares_.begin(), spares_.end(), [this](const Spare& each) {
        return each.name == filling_->name;
    });
    if (is_written) {
        spare->is_filled = true;
    } else {
        // A file whose sync has failed is never synced again, and a segment's begin would.
        disk_.remove(spare->name);
        spares_.erase(spare);
    }
    filling_.reset();
}

}  // namespace burgee::daemon
