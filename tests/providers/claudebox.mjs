// claudebox 1.13: Claude Code behind an OpenAI adapter. Workspaces must exist; one SSE event a
// message; failures of Claude are the text of a 200.
const usage = { prompt_tokens: 20, completion_tokens: 5, total_tokens: 25 };

export const claudebox = {
  name: 'claudebox',
  health: '/health',
  healthy: { status: 'ok' },
  unauthorized: 'unauthorized',
  mustExist: true,
  finish: 'end_turn',
  shown: (workspace) => `/workspaces/${workspace}`,
  workspace: (headers) => headers['x-claude-workspace'] ?? '',
  cancelled: ({ method, path, url }) => {
    if (method !== 'POST' || path !== '/run/cancel') return undefined;
    const query = new URL(url, 'http://box').searchParams;
    return (run) => run.runId === query.get('runId') || run.workspace === query.get('workspace');
  },
  plain: (call, script, content, created) => ({
    id: 'chatcmpl-box', object: 'chat.completion', created, model: call.body.model,
    choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: script.finish ?? 'stop' }],
    ...(script.usage !== null && { usage: script.usage ?? usage }),
  }),
  texts: {
    used_up: (epoch) => `Claude AI usage limit reached|${epoch}`,
    unauthorized: 'Failed to authenticate. API Error: 401 {"type":"error","error":{"type":"authentication_error","message":"OAuth token has expired."}}',
  },
};
