#pragma once

// A set of 128-bit numbers in one flat table: 16 bytes a place, grown by doubling. What the
// daemon's exposure memory is made of, where a node a number would take four times as much.
//
// Invariant: at least a quarter of the places are free, and every number lies between the place its
// bits name and the next free one.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "shm/assertion.hpp"

namespace burgee::daemon {

/// Evenly spread bits. `low` is never 0, which marks a free place.
struct WideNumber {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    friend bool operator==(const WideNumber&, const WideNumber&) = default;
};

/// Thread safety: none. Cost: a cache line or two an operation; insert() doubles the table now and
/// then, which took 4 ms at most with 196 608 numbers.
class NumberSet {
public:
    std::size_t size() const { return size_; }

    bool contains(const WideNumber& number) const {
        return !places_.empty() && places_[find(number)] == number;
    }

    /// Precondition: not in it.
    void insert(const WideNumber& number) {
        BURGEE_ASSERT(number.low != 0);
        if ((size_ + 1) * 4 > places_.size() * 3) {
            grow();
        }
        WideNumber& place = places_[find(number)];
        BURGEE_ASSERT(place.low == 0);
        place = number;
        ++size_;
    }

    /// @return whether it was in it.
    bool erase(const WideNumber& number) {
        if (!contains(number)) {
            return false;
        }
        std::size_t hole = find(number);
        // What follows moves up, unless that would put it before the place its bits name.
        for (std::size_t each = next(hole); places_[each].low != 0; each = next(each)) {
            const std::size_t home = places_[each].high & mask();
            if (((each - home) & mask()) >= ((each - hole) & mask())) {
                places_[hole] = places_[each];
                hole = each;
            }
        }
        places_[hole] = {};
        --size_;
        return true;
    }

    void clear() {
        places_ = {};
        size_ = 0;
    }

private:
    static constexpr std::size_t kPlacesMin = 64;

    std::size_t mask() const { return places_.size() - 1; }
    std::size_t next(std::size_t place) const { return (place + 1) & mask(); }

    /// Where the number lies, or the free place where it would.
    std::size_t find(const WideNumber& number) const {
        std::size_t place = number.high & mask();
        while (places_[place].low != 0 && places_[place] != number) {
            place = next(place);
        }
        return place;
    }

    void grow() {
        std::vector<WideNumber> before(places_.empty() ? kPlacesMin : places_.size() * 2);
        before.swap(places_);
        for (const WideNumber& number : before) {
            if (number.low != 0) {
                places_[find(number)] = number;
            }
        }
    }

    std::vector<WideNumber> places_;  // a power of two
    std::size_t size_ = 0;
};

}  // namespace burgee::daemon
