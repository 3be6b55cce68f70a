#include "daemon/spool/id_change.hpp"

#include <burgee/checksum.hpp>
#include <cerrno>

#include "daemon/spool/spool_format.hpp"

namespace burgee::daemon {
namespace {

constexpr const char* kName = "new-id";
constexpr const char* kUnfinishedName = "new-id.part";

std::uint64_t checksum_of(const IdChangeRecord& record) {
    return hash64(&record, offsetof(IdChangeRecord, checksum));
}

}  // namespace

int write_id_change(SpoolDisk& disk, const SpoolIdChange& change) {
    IdChangeRecord record{kIdChangeMagic, change.id, change.first_lsn, 0};
    record.checksum = checksum_of(record);
    std::unique_ptr<SpoolFile> file;
    int error = disk.open(kUnfinishedName, true, &file);
    if (error == 0) {
        error = file->allocate(sizeof record);
    }
    if (error == 0) {
        error = file->write(std::as_bytes(std::span(&record, 1)), 0);
    }
    if (error == 0) {
        error = file->sync();
    }
    if (error != 0) {
        (void)disk.remove(kUnfinishedName);  // no file is synced again after a failed sync
    }
    if (error == 0) {
        error = disk.rename(kUnfinishedName, kName);
    }
    return error == 0 ? disk.sync_names() : error;
}

int read_id_change(SpoolDisk& disk, std::optional<SpoolIdChange>* change) {
    change->reset();
    std::unique_ptr<SpoolFile> file;
    int error = disk.open(kName, false, &file);
    if (error == ENOENT) {
        return 0;
    }
    IdChangeRecord record{};
    std::size_t read_bytes = 0;
    if (error == 0) {
        error = file->read(std::as_writable_bytes(std::span(&record, 1)), 0, &read_bytes);
    }
    const bool is_good = error == 0 && read_bytes == sizeof record &&
                         record.magic == kIdChangeMagic && record.checksum == checksum_of(record);
    if (is_good) {
        *change = SpoolIdChange{record.spool_id, record.first_lsn};
    }
    return error;
}

void remove_id_change(SpoolDisk& disk) {
    (void)disk.remove(kName);  // see the declaration: one that stays is harmless
}

}  // namespace burgee::daemon
