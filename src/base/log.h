#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace base::log {

enum class Level { debug, info, warning, error };

/// A `key=value` pair; the value is quoted when it must be.
struct Field {
    std::string_view key;
    std::string value;
    Field(std::string_view k, std::string v) : key(k), value(std::move(v)) {}
    Field(std::string_view k, std::string_view v) : key(k), value(v) {}
    Field(std::string_view k, const char* v) : key(k), value(v) {}
    template <class Number>
        requires std::is_arithmetic_v<Number>
    Field(std::string_view k, Number v) : key(k), value(std::to_string(v)) {}
};

/// Starts the writer: lines go to stderr from a thread of its own through a
/// bounded queue (1 MiB; lines past it are dropped and counted when a terminal
/// stalls), so that a caller never waits. Before start() lines are written directly.
void start(Level threshold);
/// Writes what is queued and ends the thread.
void stop();

/// One line: time, level, constant message, fields. Never pass a key, a prompt
/// or a header value.
void write(Level level, std::string_view message, std::initializer_list<Field> fields = {});

}  // namespace base::log
