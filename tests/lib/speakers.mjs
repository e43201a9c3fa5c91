// The six protocols that clients speak: how each asks, and what each has heard, put into one form.
//
// An ask: {text, system, image, schema, tools: [name], results: [{id, name, arguments, result}]}.
// An answer: {text, thinking, calls: [[name, arguments]], ids, stop: stop|length|calls, usage:
// [prompt, completion], whole: it came to its proper end, error: the text of its error}.

export const SCHEMA = { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'], additionalProperties: false };
export const PARAMETERS = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const PNG = 'image/png';
const url = (image) => `data:${PNG};base64,${image}`;
const some = (value, members) => (value === undefined ? {} : members(value));
const events = (text) => text.split('\n\n').filter(Boolean).map((frame) => frame.split('\n').filter((line) => line.startsWith('data:')).map((line) => line.slice(5).trim()).join('\n')).filter(Boolean);
const objects = (text) => events(text).filter((data) => data !== '[DONE]').map((data) => JSON.parse(data));
const lines = (text) => text.split('\n').filter(Boolean).map((line) => JSON.parse(line));
const joined = (parts) => parts.filter(Boolean).join('');
const STOPS = {
  stop: 'stop', end_turn: 'stop', completed: 'stop', length: 'length', max_tokens: 'length', incomplete: 'length',
  tool_calls: 'calls', tool_use: 'calls',
};
const made = (name) => ({ type: 'function', function: { name, description: 'Looks', parameters: PARAMETERS } });

const openaiUsage = (usage) => usage && [usage.prompt_tokens, usage.completion_tokens];

export const chat = {
  name: 'chat', path: '/v1/chat/completions', stream: { stream: true, stream_options: { include_usage: true } },
  body: ({ text, system, image, schema, tools, results }) => ({
    messages: [
      ...(system ? [{ role: 'system', content: system }] : []),
      { role: 'user', content: image ? [{ type: 'text', text }, { type: 'image_url', image_url: { url: url(image) } }] : text },
      ...(results ? [
        { role: 'assistant', content: null, tool_calls: results.map(({ id, name, arguments: args }) => ({ id, type: 'function', function: { name, arguments: args } })) },
        ...results.map(({ id, result }) => ({ role: 'tool', tool_call_id: id, content: result })),
      ] : []),
    ],
    ...some(tools, (names) => ({ tools: names.map(made) })),
    ...some(schema, () => ({ response_format: { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema } } })),
  }),
  plain: (json) => {
    const [{ message, finish_reason }] = json.choices;
    return {
      text: message.content ?? '', thinking: message.reasoning_content ?? message.reasoning ?? '',
      calls: (message.tool_calls ?? []).map((call) => [call.function.name, JSON.parse(call.function.arguments)]),
      ids: (message.tool_calls ?? []).map(({ id }) => id), stop: STOPS[finish_reason], usage: openaiUsage(json.usage), whole: true,
    };
  },
  streamed: (text) => {
    const all = objects(text);
    const deltas = all.map((one) => one.choices?.[0]?.delta).filter(Boolean);
    const pieces = deltas.flatMap((delta) => delta.tool_calls ?? []);
    const begun = pieces.filter(({ id }) => id);
    return {
      text: joined(deltas.map(({ content }) => content)), thinking: joined(deltas.map((delta) => delta.reasoning_content ?? delta.reasoning)),
      calls: begun.map((call) => [call.function.name, JSON.parse(joined(pieces.filter(({ index }) => index === call.index).map((piece) => piece.function.arguments)))]),
      ids: begun.map(({ id }) => id), stop: STOPS[all.map((one) => one.choices?.[0]?.finish_reason).find(Boolean)],
      usage: openaiUsage(all.findLast((one) => one.usage)?.usage), whole: !all.some((one) => one.error) && events(text).at(-1) === '[DONE]',
      error: all.find((one) => one.error)?.error.message,
    };
  },
  error: (json) => json.error.message,
};

export const completions = {
  name: 'completions', path: '/v1/completions', stream: chat.stream,
  body: ({ text, system, tools, image, schema, results }) => ({
    prompt: text, ...some(system, () => ({ system })), ...some(image, () => ({ images: [image] })),
    ...some(tools, (names) => ({ tools: names.map(made) })), ...some(results, () => ({ messages: chat.body({ text, results }).messages })),
    ...some(schema, () => ({ response_format: chat.body({ text, schema }).response_format })),
  }),
  plain: (json) => {
    const [{ text, finish_reason }] = json.choices;
    return { text, thinking: '', calls: [], ids: [], stop: STOPS[finish_reason], usage: openaiUsage(json.usage), whole: true };
  },
  streamed: (text) => {
    const all = objects(text);
    const texts = all.map((one) => one.choices?.[0]?.text);
    return { ...chat.streamed(text), text: joined(texts), thinking: '' };
  },
  error: chat.error,
};

const responseUsage = (usage) => usage && [usage.input_tokens, usage.output_tokens];

export const responses = {
  name: 'responses', path: '/v1/responses', stream: { stream: true },
  body: ({ text, system, image, schema, tools, results }) => ({
    input: [
      { role: 'user', content: image ? [{ type: 'input_text', text }, { type: 'input_image', image_url: url(image), detail: 'auto' }] : text },
      ...(results ?? []).map(({ id, name, arguments: args }) => ({ type: 'function_call', call_id: id, name, arguments: args })),
      ...(results ?? []).map(({ id, result }) => ({ type: 'function_call_output', call_id: id, output: result })),
    ],
    ...some(system, (instructions) => ({ instructions })),
    ...some(tools, (names) => ({ tools: names.map((name) => ({ type: 'function', name, description: 'Looks', parameters: PARAMETERS, strict: false })) })),
    ...some(schema, () => ({ text: { format: { type: 'json_schema', name: 'answer', strict: true, schema } } })),
  }),
  plain: (json) => {
    const ofType = (type) => json.output.filter((item) => item.type === type);
    const calls = ofType('function_call');
    return {
      text: joined(ofType('message').flatMap(({ content }) => content.map((part) => part.text))),
      thinking: joined(ofType('reasoning').flatMap(({ summary }) => summary.map((part) => part.text))),
      calls: calls.map((call) => [call.name, JSON.parse(call.arguments)]), ids: calls.map((call) => call.call_id),
      stop: json.status === 'completed' && calls.length > 0 ? 'calls' : STOPS[json.status], usage: responseUsage(json.usage), whole: json.status !== 'failed',
    };
  },
  streamed: (text) => {
    const all = objects(text);
    const deltas = (type) => joined(all.filter((one) => one.type === `response.${type}.delta`).map(({ delta }) => delta));
    const last = all.at(-1);
    const ended = ['response.completed', 'response.incomplete'].includes(last.type);
    const shown = { text: deltas('output_text'), thinking: deltas('reasoning_summary_text'), calls: [], ids: [] };
    const failure = last.type === 'error' ? last : last.response?.error;
    if (!ended) return { ...shown, whole: false, error: failure?.message };
    const whole = responses.plain(last.response);
    if (whole.text !== shown.text || whole.thinking !== shown.thinking) throw new Error(`the last event says something else than the deltas:\n${text}`);
    const args = (item) => joined(all.filter((one) => one.type === 'response.function_call_arguments.delta' && one.item_id === item.id).map(({ delta }) => delta));
    const wrong = last.response.output.find((item) => item.type === 'function_call' && args(item) !== item.arguments);
    if (wrong) throw new Error(`the last event has other arguments than the deltas:\n${text}`);
    return whole;
  },
  error: (json) => json.error.message,
};

const messagesUsage = (usage) => usage && [usage.input_tokens + (usage.cache_read_input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0), usage.output_tokens];

export const messages = {
  name: 'messages', path: '/v1/messages', stream: { stream: true },
  body: ({ text, system, image, schema, tools, results }) => ({
    max_tokens: 100, ...some(system, () => ({ system })),
    messages: [
      { role: 'user', content: image ? [{ type: 'text', text }, { type: 'image', source: { type: 'base64', media_type: PNG, data: image } }] : text },
      ...(results ? [
        { role: 'assistant', content: results.map(({ id, name, arguments: args }) => ({ type: 'tool_use', id, name, input: JSON.parse(args) })) },
        { role: 'user', content: results.map(({ id, result }) => ({ type: 'tool_result', tool_use_id: id, content: result })) },
      ] : []),
    ],
    ...some(tools, (names) => ({ tools: names.map((name) => ({ name, description: 'Looks', input_schema: PARAMETERS })) })),
    ...some(schema, () => ({ output_config: { format: { type: 'json_schema', schema } } })),
  }),
  plain: (json) => {
    const ofType = (type) => json.content.filter((block) => block.type === type);
    return {
      text: joined(ofType('text').map((block) => block.text)), thinking: joined(ofType('thinking').map((block) => block.thinking)),
      calls: ofType('tool_use').map((block) => [block.name, block.input]), ids: ofType('tool_use').map(({ id }) => id),
      stop: STOPS[json.stop_reason], usage: messagesUsage(json.usage), whole: true,
    };
  },
  streamed: (text) => {
    const all = objects(text).filter(({ type }) => type !== 'ping');
    const blocks = blocksOf(all);
    const ends = all.find(({ type }) => type === 'message_delta');
    const usage = { ...all[0]?.message?.usage, ...ends?.usage };
    const content = blocks.map((block) => (block.type === 'tool_use' ? { ...block, input: JSON.parse(block.json || '{}') } : block));
    const failure = all.find(({ type }) => type === 'error');
    const whole = all.at(-1)?.type === 'message_stop';
    const read = failure ? { text: joined(blocks.map((block) => block.text)) } : messages.plain({ content, stop_reason: ends?.delta.stop_reason, usage });
    return { ...read, whole, error: failure?.error.message };
  },
  error: (json) => json.error.message,
};

/** The blocks of a stream of Messages; one is open at a time, and their indexes have no gap. */
function blocksOf(all) {
  const blocks = [];
  let open = false;
  for (const { type, index, content_block, delta } of all) {
    if (!type.startsWith('content_block')) continue;
    const begins = type === 'content_block_start';
    if (begins === open || index !== blocks.length - (begins ? 0 : 1)) throw new Error(`Content block not found: ${type} ${index}`);
    if (begins) blocks.push({ ...content_block, json: '' });
    open = type !== 'content_block_stop';
    const block = blocks[index];
    if (delta?.type === 'text_delta') block.text += delta.text;
    if (delta?.type === 'thinking_delta') block.thinking += delta.thinking;
    if (delta?.type === 'input_json_delta') block.json += delta.partial_json;
  }
  return blocks;
}

const ollamaUsage = (last) => (last?.eval_count === undefined ? undefined : [last.prompt_eval_count, last.eval_count]);

function readLines(all, said) {
  const last = all.at(-1);
  const calls = all.flatMap((line) => said(line).tool_calls ?? []);
  const failure = all.find((line) => line.error);
  return {
    text: joined(all.map((line) => said(line).content)), thinking: joined(all.map((line) => said(line).thinking)),
    calls: calls.map((call) => [call.function.name, call.function.arguments]), ids: [],
    stop: last.done_reason === 'stop' && calls.length > 0 ? 'calls' : STOPS[last.done_reason], usage: ollamaUsage(last),
    whole: last.done === true && !failure, error: failure?.error,
  };
}

const inChat = (line) => line.message ?? {};
const inGenerate = ({ response, thinking }) => ({ content: response, thinking });

export const ollamaChat = {
  name: 'ollama chat', path: '/api/chat', stream: {}, still: { stream: false },
  body: ({ text, system, image, schema, tools, results }) => ({
    messages: [
      ...(system ? [{ role: 'system', content: system }] : []),
      { role: 'user', content: text, ...some(image, () => ({ images: [image] })) },
      ...(results ? [
        { role: 'assistant', content: '', tool_calls: results.map(({ name, arguments: args }) => ({ function: { name, arguments: JSON.parse(args) } })) },
        ...results.map(({ name, result }) => ({ role: 'tool', tool_name: name, content: result })),
      ] : []),
    ],
    ...some(tools, (names) => ({ tools: names.map(made) })), ...some(schema, () => ({ format: schema })),
  }),
  plain: (json) => readLines([json], inChat),
  streamed: (text) => readLines(lines(text), inChat),
  error: (json) => json.error,
};

export const ollamaGenerate = {
  name: 'ollama generate', path: '/api/generate', stream: {}, still: { stream: false },
  body: ({ text, system, image, schema, tools, results }) => ({
    prompt: text, ...some(system, () => ({ system })), ...some(image, () => ({ images: [image] })), ...some(schema, () => ({ format: schema })),
    ...some(tools, (names) => ({ tools: names.map(made) })), ...some(results, () => ({ messages: ollamaChat.body({ text, results }).messages })),
  }),
  plain: (json) => readLines([json], inGenerate),
  streamed: (text) => readLines(lines(text), inGenerate),
  error: (json) => json.error,
};

export const SPEAKERS = [chat, completions, responses, messages, ollamaChat, ollamaGenerate];

const NOTHING = { tools: [], calls: [], results: [] };

/** What an upstream was asked, whatever its protocol: {text, system, image, tools, calls, results, schema}. */
export function heard(call) {
  const { body, path } = call;
  if (path.endsWith('/v1/messages')) return heardMessages(body);
  if (path.endsWith('/responses')) return heardResponses(body);
  if (path === '/api/generate') return { ...NOTHING, text: body.prompt, system: body.system, image: body.images?.[0], schema: body.format };
  if (path.endsWith('/v1/completions')) return { ...NOTHING, text: body.prompt, schema: body.response_format?.json_schema.schema };
  return heardChat(body);
}

const texts = (content) => (typeof content === 'string' ? content : joined((content ?? []).map((part) => part.text ?? part.document?.data)));
const parsed = (args) => (typeof args === 'string' ? JSON.parse(args) : args);
const data = (address) => /^data:image\/png;base64,(.+)$/.exec(address)?.[1];

function heardChat({ messages: all, tools = [], response_format: wanted, format }) {
  const role = (name) => all.filter((message) => message.role === name);
  const parts = role('user').flatMap(({ content }) => (Array.isArray(content) ? content : []));
  return {
    text: texts(role('user')[0].content), system: joined(role('system').map(({ content }) => texts(content))) || undefined,
    image: role('user').flatMap(({ images }) => images ?? [])[0] ?? data(parts.find(({ type }) => type === 'image_url')?.image_url.url),
    tools: tools.map((tool) => tool.function.name),
    calls: role('assistant').flatMap(({ tool_calls: calls }) => calls ?? []).map((call) => [call.function.name, parsed(call.function.arguments)]),
    results: role('tool').map(({ content }) => texts(content)),
    schema: format ?? wanted?.json_schema?.schema ?? wanted?.json_schema,
  };
}

function heardMessages({ messages: all, system, tools = [], output_config: wanted }) {
  const blocks = all.flatMap(({ content }) => (Array.isArray(content) ? content : [{ type: 'text', text: content }]));
  const ofType = (type) => blocks.filter((block) => block.type === type);
  return {
    text: ofType('text')[0]?.text, system: system === undefined ? undefined : texts(system), image: ofType('image')[0]?.source.data,
    tools: tools.map(({ name }) => name), calls: ofType('tool_use').map(({ name, input }) => [name, input]),
    results: ofType('tool_result').map(({ content }) => texts(content)), schema: wanted?.format?.schema,
  };
}

function heardResponses({ input, instructions, tools = [], text }) {
  const user = input.find(({ role }) => role === 'user').content;
  const ofType = (type) => input.filter((item) => item.type === type);
  return {
    text: texts(user), system: instructions, image: Array.isArray(user) ? data(user.find(({ type }) => type === 'input_image')?.image_url) : undefined,
    tools: tools.map(({ name }) => name), calls: ofType('function_call').map((call) => [call.name, JSON.parse(call.arguments)]),
    results: ofType('function_call_output').map(({ output }) => output), schema: text?.format?.schema,
  };
}
