#pragma once

#include "gateway/session.h"

namespace gateway {

/// POST /v1/audio/transcriptions: a recording in, what is said in it out. The recording is read
/// once, kept, and sent to as many candidates as it takes.
net::Task<> handle_transcription(Lane& lane, net::Exchange& exchange);
/// POST /v1/audio/translations: the same in English.
net::Task<> handle_translation(Lane& lane, net::Exchange& exchange);
/// POST /v1/audio/speech: a text in, speech out as it comes.
net::Task<> handle_speech(Lane& lane, net::Exchange& exchange);

}  // namespace gateway
