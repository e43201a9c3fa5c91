#pragma once

#include "llm/images.h"

namespace llm {

/// OpenAI's own models, those that speak its protocol, and stable-diffusion.cpp behind its
/// wrapper, known by the prefix `local-sdcpp-` of its models.
const ImageDialect& openai_images();

/// Hugging Face's router: the native route of the backend that the model id names
/// (`owner/name:backend`), `hf-inference` where it names none.
const ImageDialect& huggingface_images();

}  // namespace llm
