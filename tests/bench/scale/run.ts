/** Says how cost grows with the number of nodes. */
export function runScale(
  _: { quick: boolean; print: (line: string) => void },
): Promise<{ report: unknown; markdown: string }> {
  return Promise.resolve({ report: [], markdown: "" });
}
