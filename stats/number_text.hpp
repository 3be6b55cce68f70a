#pragma once

// Numbers as people read them, in sentences and tables: few digits, never "nan", the same text on
// every machine whatever its locale.

#include <string>

namespace burgee::stats {

/// A fraction as percent: 0.25 is "25.0%", 0.0082 is "0.82%", 0 is "0.0%"; two digits at least.
std::string percent_text(double fraction);

/// The same with its sign: "+25.0%", "-3.1%"; "0.0%" for 0.
std::string signed_percent_text(double fraction);

/// A p-value with three digits: "0.0496", "1.25e-05"; "<1e-300" below that.
std::string p_value_text(double p_value);

/// A quantity with four digits: "236.9", "0.7812", "1.234e+09".
std::string quantity_text(double value);

/// A quantity with its sign.
std::string signed_quantity_text(double value);

/// A count with thousands separated: 48211 is "48,211".
std::string count_text(unsigned long long count);

}  // namespace burgee::stats
