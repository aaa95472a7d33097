// The state of the page in a link: compressed, after the #, so that no server sees it.

/** More than anybody writes, and little enough for a page. */
export const MAX_STATE = 1024 * 1024;

/** The values of a state that are not free text. */
const CHOICES = {
  operation: ['CREATE', 'UPDATE'],
  mode: ['workloads', 'pods'],
};

/** The fragment for a state, and for the language where one was chosen; nothing where it is too large. */
export async function pack(state, language) {
  const text = JSON.stringify(state);
  if (text.length > MAX_STATE) return undefined;
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream('deflate-raw'));
  const packed = await new Response(stream).bytes();
  const fragment = new URLSearchParams();
  if (language !== undefined) fragment.set('lang', language);
  fragment.set('state', packed.toBase64({ alphabet: 'base64url', omitPadding: true }));
  return fragment.toString();
}

/** The state and the language of a fragment, each nothing where the fragment has none. */
export async function unpack(fragment) {
  // Links of the first version are the packed state alone.
  const parts = new URLSearchParams(fragment.includes('=') ? fragment : { state: fragment });
  return { state: await inflate(parts.get('state') ?? ''), language: parts.get('lang') };
}

async function inflate(text) {
  if (text === '') return undefined;
  try {
    const packed = Uint8Array.fromBase64(text, { alphabet: 'base64url' });
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
    const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
    let json = '';
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      json += read.value;
      if (json.length > MAX_STATE) return undefined;
    }
    return checked(JSON.parse(json));
  } catch {
    return undefined;
  }
}

/** The known members of a state; nothing where its texts are missing. */
function checked({ settings, manifest, namespace, ...choices }) {
  if (typeof settings !== 'string' || typeof manifest !== 'string') return undefined;
  const valid = Object.entries(CHOICES).filter(([name, of]) => of.includes(choices[name]));
  return {
    settings,
    manifest,
    ...(typeof namespace === 'string' && { namespace }),
    ...Object.fromEntries(valid.map(([name]) => [name, choices[name]])),
  };
}
