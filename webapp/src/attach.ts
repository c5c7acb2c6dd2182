/** Files that go with a question: what can be taken, and in what form it is sent. */
import type { Config } from './config';
import type { Attachment } from './conversation';
import { texts } from './texts';

export const MOST = 10;
const LONGEST_TEXT_BYTES = 500_000;
/** Images are sent with at most so many pixels a side: models scale what is larger down. Source: OpenAI's guide to images. */
const LARGEST_SIDE = 2048;
/** What every model takes. Source: the same. */
const AS_THEY_ARE = ['image/png', 'image/jpeg', 'image/webp', 'image/gif'];
const SMALL_IMAGE_BYTES = 1_000_000;

export interface Taken {
  attachments: Attachment[];
  /** A sentence for each file that was not taken. */
  refused: string[];
}

/** The files in the form in which they are sent, to go with those there `already`. */
export async function take(files: readonly File[], already: readonly Attachment[], { images, limits }: Config): Promise<Taken> {
  const taken: Taken = { attachments: [], refused: [] };
  for (const file of files) {
    const name = file.name || texts.attach.unnamed;
    try {
      if (already.length + taken.attachments.length >= MOST) throw new Error(texts.attach.tooMany(MOST));
      const next = isPicture(file) ? await image(file, name, images) : await text(file, name);
      if (total([...already, ...taken.attachments, next]) > limits.bytes) throw new Error(texts.attach.tooMuch(limits.bytes / 1_000_000));
      taken.attachments.push(next);
    } catch (error) {
      taken.refused.push(texts.attach.refused(name, (error as Error).message));
    }
  }
  return taken;
}

function total(attachments: readonly Attachment[]): number {
  return attachments.reduce((length, { data }) => length + data.length, 0);
}

/** An SVG is a text, and no model takes it as an image. */
function isPicture({ type }: File): boolean {
  return type.startsWith('image/') && type !== 'image/svg+xml';
}

async function text(file: File, name: string): Promise<Attachment> {
  if (file.size > LONGEST_TEXT_BYTES) throw new Error(texts.attach.tooLarge);
  try {
    const data = new TextDecoder('utf-8', { fatal: true }).decode(await file.arrayBuffer());
    if (!data.includes('\0')) return { kind: 'text', name, data };
  } catch {
    // said below
  }
  throw new Error(texts.attach.neither);
}

async function image(file: File, name: string, images: boolean): Promise<Attachment> {
  if (!images) throw new Error(texts.attach.noImages);
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error(texts.attach.unreadable);
  }
  const scale = Math.min(1, LARGEST_SIDE / Math.max(bitmap.width, bitmap.height));
  const fits = scale === 1 && AS_THEY_ARE.includes(file.type) && file.size <= SMALL_IMAGE_BYTES;
  const data = await dataUrl(fits ? file : await drawn(bitmap, scale));
  bitmap.close();
  return { kind: 'image', name, data };
}

async function drawn(bitmap: ImageBitmap, scale: number): Promise<Blob> {
  const canvas = new OffscreenCanvas(Math.round(bitmap.width * scale), Math.round(bitmap.height * scale));
  const context = canvas.getContext('2d')!;
  context.fillStyle = 'white'; // where it is transparent, which a JPEG cannot be
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas.convertToBlob({ type: 'image/jpeg', quality: 0.85 });
}

function dataUrl(blob: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result as string);
    reader.onerror = () => reject(new Error(texts.attach.unreadable));
    reader.readAsDataURL(blob);
  });
}
