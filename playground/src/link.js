// The state of the page in a link: compressed, after the #, so that no server sees it.

/** More than anybody writes, and little enough for a page. */
const MAX_STATE = 1024 * 1024;

/** The fragment for a state. */
export async function pack(state) {
  const bytes = new Blob([JSON.stringify(state)]).stream();
  const packed = await new Response(
    bytes.pipeThrough(new CompressionStream('deflate-raw')),
  ).bytes();
  return packed.toBase64({ alphabet: 'base64url', omitPadding: true });
}

/** The state of a fragment; nothing where it is none. */
export async function unpack(fragment) {
  if (fragment === '') return undefined;
  try {
    const packed = Uint8Array.fromBase64(fragment, { alphabet: 'base64url' });
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
    const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      text += read.value;
      if (text.length > MAX_STATE) return undefined;
    }
    const { settings, manifest } = JSON.parse(text);
    return typeof settings === 'string' && typeof manifest === 'string'
      ? { settings, manifest }
      : undefined;
  } catch {
    return undefined;
  }
}
