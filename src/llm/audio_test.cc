#include "llm/audio_length.h"
#include "llm/speech.h"
#include "llm/transcription.h"

#include <gtest/gtest.h>

#include <algorithm>

using namespace llm;
using Format = TranscriptFormat;

namespace {

AudioLength length_of(const std::string& bytes, std::uint64_t size = 0) {
    return audio_length(std::max<std::uint64_t>(size, bytes.size()),
                        [&](std::uint64_t at, std::size_t most) {
                            return at < bytes.size() ? bytes.substr(at, most) : std::string();
                        });
}

std::string little(std::uint32_t value) {
    std::string out;
    for (int i = 0; i < 4; ++i) out += static_cast<char>(value >> (8 * i));
    return out;
}

std::string wav(std::uint32_t data, std::uint32_t rate) {
    return "RIFF" + little(0) + "WAVEfmt " + little(16) + std::string(8, '\0') + little(rate) +
           std::string(4, '\0') + "LIST" + little(3) + "abc" + std::string(1, '\0') + "data" +
           little(data) + std::string(1000, 'x');
}

TEST(AudioLength, OfAWavFile) {
    const AudioLength length = length_of(wav(500, 100));
    EXPECT_TRUE(length.exact);
    EXPECT_DOUBLE_EQ(length.seconds, 5);
    EXPECT_DOUBLE_EQ(length_of(wav(0, 100)).seconds, 10);
    EXPECT_DOUBLE_EQ(length_of(wav(0xffffffff, 100)).seconds, 10);
}

TEST(AudioLength, OfAnMp3FileByItsBitRate) {
    std::string mp3 = "ID3" + std::string("\3\0\0\0\0\0\x0a", 7) + std::string(10, '\0') +
                      "\xff\xfb\x90" + std::string(1, '\0');
    const AudioLength length = length_of(mp3, 160'020);
    EXPECT_FALSE(length.exact);
    EXPECT_NEAR(length.seconds, 10, 0.01);
}

TEST(AudioLength, OfAnOggAndAnMp4File) {
    const std::string ogg = "OggS" + std::string(30, '\0') + "OpusHead" + std::string(50, '\0') +
                            "OggS" + std::string(2, '\0') + little(96'000) + little(0) +
                            std::string(20, '\0');
    EXPECT_DOUBLE_EQ(length_of(ogg).seconds, 2);
    const std::string mp4 = std::string(4, '\0') + "ftypM4A " + std::string(8, '\0') + "mvhd" +
                            std::string(12, '\0') + std::string("\0\0\3\xe8\0\0\x0b\xb8", 8) +
                            std::string(80, '\0');
    EXPECT_DOUBLE_EQ(length_of(mp4).seconds, 3);
}

TEST(AudioLength, GarbageAndStubsAreGuessed) {
    for (const char* text : {"", "R", "RIFF", "RIFFxxxxWAVE", "OggS", "fLaC", "ID3"})
        EXPECT_FALSE(length_of(text).exact) << text;
    EXPECT_DOUBLE_EQ(length_of("garbage", 40'000).seconds, 10);
}

Transcript sample() {
    return *read_transcript(
        R"({"text":"Hi. Yes?","language":"en","segments":[{"start":0,"end":1.25,"text":" Hi."},)"
        R"({"start":3599.9996,"end":3661.5,"text":" Yes?","speaker":"B"}],"duration":3700})");
}

TEST(Transcript, Subtitles) {
    EXPECT_EQ(*write_transcript(sample(), Format::srt),
              "1\n00:00:00,000 --> 00:00:01,250\nHi.\n\n"
              "2\n01:00:00,000 --> 01:01:01,500\nB: Yes?\n\n");
    EXPECT_TRUE(write_transcript(sample(), Format::vtt)->starts_with("WEBVTT\n\n00:00:00.000"));
    EXPECT_EQ(*write_transcript(sample(), Format::text), "Hi. Yes?\n");
}

TEST(Transcript, WithoutTimesNeedsALength) {
    Transcript plain = *read_transcript(R"({"text":"Hi."})");
    EXPECT_FALSE(write_transcript(plain, Format::srt));
    plain.duration = 2;
    EXPECT_EQ(*write_transcript(plain, Format::srt), "1\n00:00:00,000 --> 00:00:02,000\nHi.\n\n");
    EXPECT_FALSE(read_transcript("[]"));
    EXPECT_FALSE(read_transcript(R"({"text":1})"));
    EXPECT_FALSE(read_transcript("{\"text\":\"cut"));
}

TEST(Transcription, FormatsAskedOfEachProvider) {
    struct Row {
        base::Provider provider;
        std::string_view model;
        Format wanted;
        Format asked;
    };
    using base::Provider;
    for (const Row& row :
         {Row{Provider::groq, "whisper-large-v3", Format::vtt, Format::verbose_json},
          Row{Provider::groq, "whisper-large-v3", Format::text, Format::text},
          Row{Provider::openai, "whisper-1", Format::srt, Format::srt},
          Row{Provider::openai, "gpt-4o-transcribe", Format::text, Format::json},
          Row{Provider::mistral, "voxtral", Format::srt, Format::json}}) {
        TranscriptionRequest request;
        request.format = row.wanted;
        const auto call = transcription_call(
            request, {.provider = row.provider, .alias = "a", .model = row.model}, true);
        ASSERT_TRUE(call) << row.model;
        EXPECT_EQ(call->asked, row.asked) << row.model;
    }
    TranscriptionRequest timed;
    timed.format = Format::srt;
    EXPECT_FALSE(transcription_call(
        timed, {.provider = base::Provider::openai, .alias = "a", .model = "gpt-4o-transcribe"},
        true));
}

TEST(Voices, KeepTheirNearestName) {
    EXPECT_EQ(mapped_voice("onyx", VoiceFamily::kokoro), "am_onyx");
    EXPECT_EQ(mapped_voice("am_onyx", VoiceFamily::openai), "onyx");
    EXPECT_EQ(mapped_voice("ef_dora", VoiceFamily::openai), "nova");
    EXPECT_EQ(mapped_voice("bm_george", VoiceFamily::kokoro), "bm_george");
    EXPECT_EQ(mapped_voice("my-own", VoiceFamily::unknown), "my-own");
    EXPECT_EQ(mapped_voice("my-own", VoiceFamily::kokoro), "af_heart");
    EXPECT_EQ(mapped_voice("team/my-own", VoiceFamily::qwen3), "team/my-own") << "a cloned one";
    EXPECT_EQ(mapped_voice("onyx", VoiceFamily::qwen3), "echo");
    EXPECT_EQ(mapped_voice("alloy", VoiceFamily::kokoro), "af_heart");
    EXPECT_EQ(mapped_voice("af_heart", VoiceFamily::openai), "alloy");
    EXPECT_EQ(mapped_voice("af_alloy", VoiceFamily::openai), "alloy");
    EXPECT_EQ(mapped_voice("am_michael", VoiceFamily::openai), "cedar");
    for (const std::string_view voice : openai_voices("gpt-4o-mini-tts"))
        EXPECT_EQ(mapped_voice(voice, VoiceFamily::openai), voice);
}

TEST(Voices, TheFirstSpeechModelsOfOpenAiGetNoneOfTheLaterVoices) {
    EXPECT_EQ(voice_family(base::Provider::openai, "tts-1-hd"), VoiceFamily::tts1);
    EXPECT_EQ(voice_family(base::Provider::openai, "gpt-4o-mini-tts"), VoiceFamily::openai);
    const std::vector<std::string_view> known = openai_voices("tts-1");
    EXPECT_EQ(known, (std::vector<std::string_view>{"alloy", "ash", "coral", "echo", "fable",
                                                    "nova", "onyx", "sage", "shimmer"}));
    EXPECT_EQ(openai_voices("gpt-4o-mini-tts").size(), 13u);
    EXPECT_EQ(mapped_voice("af_heart", VoiceFamily::tts1), "alloy");
    EXPECT_EQ(mapped_voice("am_michael", VoiceFamily::tts1), "onyx");
    for (const char* voice :
         {"marin", "cedar", "ballad", "verse", "af_aoede", "am_puck", "bm_lewis", "ef_dora", "?"})
        EXPECT_NE(std::ranges::find(known, mapped_voice(voice, VoiceFamily::tts1)), known.end())
            << voice;
    for (const std::string_view voice : known)
        EXPECT_EQ(mapped_voice(voice, VoiceFamily::tts1), voice);
}

TEST(Speech, OnlyWhatMustChangeChanges) {
    auto request =
        parse_speech(R"({"model":"a","input":"Hi \"you\"", "voice" : "onyx","speed":1.5})");
    ASSERT_TRUE(request);
    const auto call = speech_call(
        *request,
        {.provider = base::Provider::openai_compatible, .alias = "a", .model = "kokoro-82m"});
    ASSERT_TRUE(call);
    EXPECT_EQ(call->body, R"({"model":"kokoro-82m","input":"Hi \"you\"", "voice" : "am_onyx",)"
                          R"("speed":1.5,"response_format":"mp3"})");
}

TEST(Speech, WhatIsNullIsFilledInWhereItStands) {
    auto request =
        parse_speech(R"({"input":"Hi","voice":null,"response_format":null,"model":"a"})");
    ASSERT_TRUE(request);
    const auto call = speech_call(
        *request, {.provider = base::Provider::openai, .alias = "a", .model = "gpt-4o-mini-tts"});
    ASSERT_TRUE(call);
    EXPECT_EQ(call->body, R"({"input":"Hi","voice":"alloy","response_format":"mp3",)"
                          R"("model":"gpt-4o-mini-tts"})");
}

TEST(Speech, EventsOfBytes) {
    auto decoder = speech_events(Upstream{}, false, {});
    std::string out;
    decoder->feed("ab", out);
    decoder->finish(out);
    EXPECT_EQ(out,
              "data: {\"type\":\"speech.audio.delta\",\"audio\":\"YWI=\"}\n\n"
              "data: {\"type\":\"speech.audio.done\"}\n\n");
}

TEST(Speech, AnEventWithoutEndIsNotHeld) {
    auto decoder = speech_events(Upstream{}, true, {});
    std::string out;
    std::optional<Failure> failure;
    for (int i = 0; i < 6 && !failure; ++i)
        failure = decoder->feed("data: " + std::string(1u << 20, 'x'), out);
    ASSERT_TRUE(failure);
    EXPECT_EQ(failure->outcome, Outcome::malformed);
}

TEST(Speech, TheLastEventMayLackItsBlankLine) {
    auto decoder = speech_events(Upstream{}, true, {});
    std::string out;
    EXPECT_FALSE(decoder->feed(R"(data: {"type":"speech.audio.done"})", out));
    EXPECT_FALSE(decoder->finish(out));
    EXPECT_TRUE(decoder->done());
    EXPECT_EQ(out, "data: {\"type\":\"speech.audio.done\"}\n\n");
}

TEST(Transcription, PlainTextsAreJudged) {
    struct Row {
        Format format;
        std::string body;
        bool good;
    };
    for (const Row& row :
         {Row{Format::text, R"({"error":{"message":"boom"}})", false},
          Row{Format::srt, R"({"detail":"boom"})", false}, Row{Format::srt, "\n", false},
          Row{Format::vtt, "hello", false}, Row{Format::vtt, "\xEF\xBB\xBFWEBVTT\n\n", true},
          Row{Format::srt, "1\n00:00:00,000 --> 00:00:01,000\nHi\n\n", true},
          Row{Format::srt, "Hi there.", false}, Row{Format::srt, R"({"text":"Hi"})", false},
          Row{Format::text, "<html><body>sign in", false}, Row{Format::text, "{}", false},
          Row{Format::text, R"({"text":null})", false}, Row{Format::text, "", true},
          Row{Format::text, "{error} said he", true}}) {
        TranscriptionRequest request;
        request.format = row.format;
        TranscriptionCall call;
        call.asked = row.format;
        EXPECT_EQ(transcription_answer(request, call, Upstream{}, row.body, {}, {}).has_value(),
                  row.good)
            << row.body;
    }
}

TEST(Transcription, TextThatCameAsJsonIsTakenOut) {
    TranscriptionRequest request;
    request.format = Format::text;
    TranscriptionCall call;
    call.asked = Format::text;
    const auto answer =
        transcription_answer(request, call, Upstream{}, R"({"text":"Hi \"you\""})", {}, {});
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->body, "Hi \"you\"\n");
}

TEST(Transcription, EventsEndAndStandOnOneLine) {
    const TranscriptionCall call;
    auto passing = transcription_stream(call, Upstream{}, true, {});
    std::string out;
    EXPECT_FALSE(passing->feed(R"(data: {"type":"transcript.text.done","text":"a"})", out));
    EXPECT_FALSE(passing->finish(out));
    EXPECT_TRUE(out.ends_with("}\n\n")) << out;
    auto translated = transcription_stream(call, Upstream{}, true, {});
    out.clear();
    EXPECT_FALSE(translated->feed(
        "data: {\"type\":\"transcription.done\",\"text\":\"a\",\"usage\":{\ndata: \"x\":1}}\n\n",
        out));
    EXPECT_EQ(out,
              "data: {\"type\":\"transcript.text.done\",\"text\":\"a\",\"usage\":{ \"x\":1}}\n\n");
}

}  // namespace
