#include "llm/tool_names.h"

#include "llm/translate.h"

namespace llm {
namespace {

using std::string_view;

constexpr string_view kFitting = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

}  // namespace

std::string fitting_name(string_view text, std::size_t longest) {
    constexpr std::size_t kHash = 8;
    const bool fits =
        !text.empty() && text.size() <= longest && text.find_first_not_of(kFitting) == text.npos;
    if (fits) return std::string(text);
    std::string out(text.substr(0, longest - kHash - 1));
    for (char& c : out)
        if (kFitting.find(c) == kFitting.npos) c = '_';
    const std::string id = made_up_id(text);
    return out + '_' + id.substr(id.size() - kHash);
}

std::string client_tool_name(const Chat& chat, string_view sent, std::size_t longest) {
    for (const Tool& tool : chat.tools)
        if (fitting_name(tool.name, longest) == sent) return tool.name;
    return std::string(sent);
}

}  // namespace llm
