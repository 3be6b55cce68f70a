#pragma once

// Hands a descriptor that we opened, with our flags, to Boost's mapped_region: its own file_mapping
// would follow symbolic links and leak the descriptor into child processes.

#include <boost/interprocess/mapped_region.hpp>

#include "shm/file_descriptor.hpp"

namespace burgee {

class MappableFile {
public:
    explicit MappableFile(const FileDescriptor& file) : number_(file.number()) {}

    boost::interprocess::mapping_handle_t get_mapping_handle() const {
        return boost::interprocess::ipcdetail::mapping_handle_from_file_handle(number_);
    }

private:
    int number_;
};

}  // namespace burgee
