import { useEffect, useState } from 'preact/hooks';

/** A text to be read by a phone's camera. */
export function QrCode({ text }: { text: string }) {
  const [cells, setCells] = useState<{ size: number; path: string }>();
  useEffect(() => {
    let wanted = true;
    void import('lean-qr').then(({ generate }) => {
      if (!wanted) return;
      const code = generate(text);
      const parts: string[] = [];
      for (let y = 0; y < code.size; y++) {
        for (let x = 0; x < code.size; x++) if (code.get(x, y)) parts.push(`M${x} ${y}h1v1h-1z`);
      }
      setCells({ size: code.size, path: parts.join('') });
    });
    return () => {
      wanted = false;
    };
  }, [text]);
  if (!cells) return null;
  const side = cells.size + 8;
  return (
    <details class="json">
      <summary>As a QR code</summary>
      <svg class="qr" viewBox={`-4 -4 ${side} ${side}`} role="img" aria-label="The address as a QR code">
        <rect x="-4" y="-4" width={side} height={side} />
        <path d={cells.path} />
      </svg>
    </details>
  );
}
