#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace base {

/// A key. It has no formatter and no stream operator on purpose: the only way
/// to its bytes is `reveal()`, called where it is put on the wire or compared.
class Secret {
public:
    Secret() = default;
    explicit Secret(std::string value) : value_(std::move(value)) {}

    bool empty() const { return value_.empty(); }
    std::string_view reveal() const { return value_; }

    /// Compares in time that depends on the length of `offered` alone.
    bool matches(std::string_view offered) const;

private:
    std::string value_;
};

}  // namespace base
