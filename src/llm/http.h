#pragma once

#include "base/units.h"

#include <string>
#include <string_view>
#include <vector>

namespace llm {

/// One header of a message, as text. Values may hold keys: never log them.
struct Header {
    std::string name;
    std::string value;
};

/// A reply that an upstream gave, as far as meaning is read from it. Views.
struct Reply {
    int status = 0;
    const std::vector<Header>& headers;
    std::string_view body;

    /// First header of that name (case-insensitive), or empty.
    std::string_view header(std::string_view name) const {
        for (const Header& h : headers)
            if (base::iequals(h.name, name)) return h.value;
        return {};
    }
};

}  // namespace llm
