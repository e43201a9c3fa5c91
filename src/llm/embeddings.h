#pragma once

#include "llm/dialect.h"
#include "llm/request_body.h"

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace llm {

/// The endpoint at which a client asks for vectors, hence the shapes it speaks.
enum class EmbeddingClient {
    openai,             ///< OpenAI /embeddings
    ollama_embed,       ///< Ollama /api/embed
    ollama_embeddings,  ///< Ollama /api/embeddings: one prompt
};

/// A client's request for vectors, parsed once.
struct EmbeddingRequest {
    EmbeddingClient client = EmbeddingClient::openai;
    RequestBody body;
    std::string model;
    std::vector<Span> inputs;  ///< JSON values: texts, or arrays of token ids
    bool tokens = false;       ///< they are token ids
    bool single = false;       ///< the client sent one input without a list
    bool base64 = false;       ///< how it wants its vectors; else as lists of numbers
    std::optional<std::uint64_t> dimensions;
    Chat wishes;  ///< in its parameters every member but the model and the inputs
    std::uint64_t input_bytes = 0;
    std::uint64_t largest_input = 0;  ///< bytes; a token id counts as kTokenBytes
};

/// What a token id counts for in bytes of text.
inline constexpr std::uint64_t kTokenBytes = 4;
/// OpenAI's own bound for one request.
inline constexpr std::size_t kMostInputs = 2048;

/// Fails with bad_input and a text that names the member, what is wrong and the cure.
base::Result<EmbeddingRequest> parse_embeddings(std::string body, EmbeddingClient client);

/// Inputs that go in one call: [begin, end).
struct Batch {
    std::size_t begin = 0;
    std::size_t end = 0;
    std::size_t size() const { return end - begin; }
};

/// The request in as few calls as the provider takes them.
std::vector<Batch> batches(const EmbeddingRequest& request, base::Provider provider);
/// At most so many calls are made for `inputs` texts of together `bytes`.
std::uint64_t most_batches(base::Provider provider, std::uint64_t inputs, std::uint64_t bytes);

/// What the inputs of a batch weigh, token ids as kTokenBytes.
std::uint64_t batch_bytes(const EmbeddingRequest& request, Batch batch);

/// The call for one batch. `unsupported` for what the upstream has no word for (token ids,
/// a number of dimensions), so that the chain moves on.
base::Result<Call> embedding_call(const EmbeddingRequest& request, const Upstream& upstream,
                                  Batch batch);

/// One vector an input, as JSON in the way the client wants it: a list of numbers, or base64 of
/// little-endian 32-bit floats with its quotes.
struct Vectors {
    std::vector<std::string> vectors;
    std::size_t dimensions = 0;
    Usage usage;
};

/// Reads a 2xx body. No vectors, fewer or more than inputs, an empty one, something in them that
/// is no number, several lengths: malformed. `unsupported` where the client named a number of
/// dimensions and got another one.
std::expected<Vectors, Failure> read_vectors(const EmbeddingRequest& request,
                                             const Upstream& upstream, Batch batch,
                                             std::string_view body, base::WallTime now);

/// Adds the vectors of a further batch and what it used.
std::optional<Failure> append(Vectors& all, Vectors batch);

/// The whole answer in the client's shape. `id` is told at OpenAI's endpoint only: OpenAI has none
/// there, but Mistral's clients refuse an answer without one. `took`: since the request came.
std::string embedding_answer(const EmbeddingRequest& request, std::string_view id,
                             std::string_view alias, const Vectors& vectors, base::Duration took);

}  // namespace llm
