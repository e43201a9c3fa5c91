#pragma once

#include "llm/client_dialect.h"
#include "llm/dialect.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace llm {

/// Takes the overlap out of a text that goes on where another broke off: what is said again at
/// the seam, or the whole beginning said once more. Holds the new text back until it is clear.
class Seam {
public:
    explicit Seam(std::string_view said);
    /// The next piece of the new text; what of it is new.
    std::string next(std::string_view piece);
    /// The new text is over: what was held back.
    std::string rest();

private:
    /// Words that happen to begin as the last ones ended are no overlap below this many bytes.
    static constexpr std::size_t kLeast = 12;
    /// Of the text said, this much of its end is looked at.
    static constexpr std::size_t kMost = 8192;

    std::string said_;  ///< the end of it
    bool whole_;        ///< said_ is all of it: it may also be said once more if it is short
    std::string held_;
    bool open_ = true;  ///< the seam has not been passed yet
};

/// A streamed answer that another target may carry on when its own breaks after content: the
/// client's writer stays, and the conversation for the next target ends with what has been
/// said so far. Lives as long as the request; everything goes through the canonical form.
class Continuation {
public:
    /// `request` outlives it. `alias` of the first target is the model that the client sees.
    explicit Continuation(const ChatRequest& request);
    ~Continuation();
    Continuation(const Continuation&) = delete;
    Continuation& operator=(const Continuation&) = delete;

    base::Result<Call> call(const Upstream& upstream) const;
    /// `upstream` outlives the decoder, and this the decoder.
    std::unique_ptr<StreamDecoder> stream(const Upstream& upstream, base::WallTime now);

    /// Something has been said.
    bool begun() const;
    /// What has been said is a text that another target can carry on: no tool is being called.
    bool can_go_on() const;
    /// The last attempt broke after content, having used this much.
    void broke(const Usage& usage);
    /// Error frame and end, where nobody carries on.
    void broken(std::string_view error, std::string& out);

private:
    class Shown;  ///< collects and writes

    const ChatRequest& request_;
    std::unique_ptr<Shown> shown_;
};

}  // namespace llm
