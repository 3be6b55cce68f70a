#pragma once

// What the second file of the two-file client offers to the first.

/// True if the client of another translation unit gives the caller's default as well.
bool second_file_agrees();
