/**
 * What is said of an error that nobody foresaw: one line where the system, or a file of the installation, refused; the
 * stack of a fault of attn-diff itself, for who mends it.
 */
export function faultText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code, syscall, message } = error as NodeJS.ErrnoException;
  if (code === 'EMFILE' || code === 'ENFILE')
    return `too many files are open (${code}). Close some, or allow more: ulimit -n 1024.`;
  if (code !== undefined && syscall !== undefined)
    return `the system refused a step: ${message}. Mend that and run again.`;
  if (code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND')
    return `a part of the installation cannot be loaded: ${message.split('\n')[0]}. Install attn-diff again, or allow more open files: ulimit -n 1024.`;
  return error.stack ?? message;
}
