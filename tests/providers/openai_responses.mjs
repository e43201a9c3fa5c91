// OpenAI's /responses: items instead of choices, numbered events instead of chunks.
import { replyOf, tokensOf } from './openai_shape.mjs';

const USAGE = { input_tokens: 11, input_tokens_details: { cached_tokens: 4 }, output_tokens: 7, output_tokens_details: { reasoning_tokens: 0 }, total_tokens: 18 };

export const isResponses = (call) => call.path === '/v1/responses';

function itemsOf(wire, script) {
  const thoughts = script.reasoning ? [{ type: 'reasoning', id: 'rs_1', summary: [{ type: 'summary_text', text: script.reasoning }] }] : [];
  const calls = script.toolCalls?.map(({ id, name, arguments: args }, at) => ({ type: 'function_call', id: `fc_${at}`, call_id: id, name, arguments: args, status: 'completed' }));
  const words = { type: 'message', id: 'msg_1', role: 'assistant', status: 'completed', content: [{ type: 'output_text', text: replyOf(wire, script), annotations: [] }] };
  return [...thoughts, ...(calls ?? (script.empty ? [] : [words]))];
}

function responseOf(wire, call, script, status) {
  const ended = status !== 'in_progress';
  const cut = ended && script.finish === 'length';
  return {
    id: 'resp_1', object: 'response', created_at: 1_780_000_000, status: cut ? 'incomplete' : status, error: null,
    incomplete_details: cut ? { reason: 'max_output_tokens' } : null, model: call.model,
    output: ended ? itemsOf(wire, script) : [], usage: ended && script.usage !== null ? USAGE : null,
  };
}

export const responsesBody = (wire, call, script) => responseOf(wire, call, script, 'completed');

const DELTAS = {
  message: ['response.output_text', ({ content }) => tokensOf(content[0].text), { content_index: 0 }],
  reasoning: ['response.reasoning_summary_text', ({ summary }) => tokensOf(summary[0].text), { summary_index: 0 }],
  function_call: ['response.function_call_arguments', ({ arguments: args }) => args.match(/.{1,7}/gs) ?? [], {}],
};
const EMPTY = { message: { content: [], status: 'in_progress' }, reasoning: { summary: [] }, function_call: { arguments: '', status: 'in_progress' } };

export function responsesFrames(wire, call, script) {
  let sequence_number = 0;
  const event = (kind, type, value) => {
    const data = { type, sequence_number: sequence_number++, ...value };
    return { kind, text: `event: ${type}\ndata: ${JSON.stringify(data)}\n\n` };
  };
  const last = responsesBody(wire, call, script);
  return [
    event('head', 'response.created', { response: responseOf(wire, call, script, 'in_progress') }),
    ...itemsOf(wire, script).flatMap((item, output_index) => itemFrames(event, item, output_index)),
    event('finish', `response.${last.status}`, { response: last }),
  ];
}

function itemFrames(event, item, output_index) {
  const [name, partsOf, more] = DELTAS[item.type];
  const place = { item_id: item.id, output_index, ...more };
  return [
    event('head', 'response.output_item.added', { output_index, item: { ...item, ...EMPTY[item.type] } }),
    ...partsOf(item).map((delta) => event('token', `${name}.delta`, { ...place, delta })),
    event('finish', 'response.output_item.done', { output_index, item }),
  ];
}
