#pragma once

#include "base/provider.h"
#include "llm/verdict.h"

namespace llm::providers {

/// What only this provider says, before the rules for everybody are asked. True:
/// decided. Outcome, scope, pool and a return that only this provider's clock
/// explains are set here; Retry-After, reset headers and prose are added later.
using Refine = bool (*)(const Case& refusal, Failure& failure);

bool groq(const Case& refusal, Failure& failure);
bool cerebras(const Case& refusal, Failure& failure);
bool openrouter(const Case& refusal, Failure& failure);
bool huggingface(const Case& refusal, Failure& failure);
bool mistral(const Case& refusal, Failure& failure);
bool cohere(const Case& refusal, Failure& failure);
bool anthropic(const Case& refusal, Failure& failure);
bool openai(const Case& refusal, Failure& failure);
bool ollama(const Case& refusal, Failure& failure);
/// claudebox, pibox (with z.ai behind it), talkies, sdcpp, llama.cpp, vLLM.
bool compatible(const Case& refusal, Failure& failure);

Refine refine(base::Provider provider);

}  // namespace llm::providers
