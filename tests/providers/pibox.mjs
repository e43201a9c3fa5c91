// pibox: the pi coding agent behind an OpenAI adapter. Makes its workspaces itself; the stream
// begins with a role, has no usage, and tells a failure inline.
export const pibox = {
  name: 'pibox',
  health: '/healthz',
  healthy: { ok: true, adapter: 'pi' },
  unauthorized: 'invalid bearer token',
  mustExist: false,
  roleFirst: true,
  finish: 'stop',
  shown: (workspace) => workspace,
  workspace: (headers) => headers['x-aicodebox-workspace'] ?? headers['x-claude-workspace'] ?? '',
  cancelled: ({ method, path }) => {
    const id = method === 'DELETE' ? /^\/run\/([^/]+)$/.exec(path)?.[1] : undefined;
    return id && ((run) => run.runId === id);
  },
  plain: (call, script, content, created) => ({
    id: 'chatcmpl-box', object: 'chat.completion', created, model: call.body.model,
    choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: script.finish ?? 'stop' }],
    ...(script.usage && { usage: script.usage }),
  }),
  texts: { failed: '[error: pi exited with status 1]' },
};
