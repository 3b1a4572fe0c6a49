/**
 * The major version of CUDA that a library was built for.
 *
 * @param needed names of the libraries that it needs
 * @returns null where CUDA's runtime is not among them
 */
export function cudaMajorOf(needed: readonly string[]): number | null {
  const majors = needed.flatMap((name) => /^libcudart\.so\.(\d{1,3})$/.exec(name)?.[1] ?? []);
  return majors[0] === undefined ? null : Number(majors[0]);
}
