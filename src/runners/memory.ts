import type { ProcessMemory } from './types.js';

/** Memory of this process. */
export function processMemory(): ProcessMemory {
  // In KiB on every platform.
  return { resident: process.memoryUsage.rss(), peak: process.resourceUsage().maxRSS * 1024 };
}
