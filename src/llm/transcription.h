#pragma once

#include "llm/dialect.h"
#include "llm/transcript.h"

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace llm {

/// What a client asks of a transcription or translation, without the recording itself.
struct TranscriptionRequest {
    bool translate = false;  ///< into English (/audio/translations)
    std::string model;
    TranscriptFormat format = TranscriptFormat::json;
    bool stream = false;
    bool diarization = false;  ///< who speaks must be told apart
    /// Every field but model, file, response_format, stream and diarization, in its order.
    std::vector<std::pair<std::string, std::string>> fields;

    std::string_view text(std::string_view name) const {
        for (const auto& [key, value] : fields)
            if (key == name) return value;
        return {};
    }
};

/// One upstream call of it. The recording is sent after the fields, as the part `file`.
struct TranscriptionCall {
    std::string path;
    std::vector<std::pair<std::string, std::string>> fields;
    TranscriptFormat asked = TranscriptFormat::json;  ///< the format of the reply
    bool stream = false;                              ///< it may come as events
    bool at_root = false;                             ///< `path` is not below the target's base
    std::vector<std::string> changes;
};

/// How `request` is put to `upstream`. unsupported: it can't give what is asked.
/// `speakers`: it can tell who speaks, as far as configuration says.
base::Result<TranscriptionCall> transcription_call(const TranscriptionRequest& request,
                                                   const Upstream& upstream, bool speakers);

/// A whole reply as the client wants it. `length`: the recording's, where it is known.
std::expected<Answer, Failure> transcription_answer(const TranscriptionRequest& request,
                                                    const TranscriptionCall& call,
                                                    const Upstream& upstream, std::string body,
                                                    std::optional<double> length,
                                                    base::WallTime now);

/// Turns a reply into OpenAI's events (transcript.text.delta, …, transcript.text.done): those of
/// OpenAI pass, Mistral's are translated, a whole answer (`events` false) becomes two of them.
std::unique_ptr<StreamDecoder> transcription_stream(const TranscriptionCall& call,
                                                    const Upstream& upstream, bool events,
                                                    base::WallTime now);

}  // namespace llm
