#include "base/secret.h"

namespace base {

bool Secret::matches(std::string_view offered) const {
    unsigned difference = value_.size() == offered.size() && !value_.empty() ? 0 : 1;
    for (std::size_t i = 0; i < offered.size(); ++i) {
        const char own = value_.empty() ? '\0' : value_[i % value_.size()];
        difference |= static_cast<unsigned char>(own) ^ static_cast<unsigned char>(offered[i]);
    }
    return difference == 0;
}

}  // namespace base
