/** The one way to wait no longer than a time. */

/** What `work` gives; rejects with what `late` gives when that takes longer than `millis`, and then the work goes on by itself. */
export async function withinDeadline<T>(work: Promise<T>, millis: number, late: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const expiry = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), millis);
  });
  try {
    return await Promise.race([work, expiry]);
  } finally {
    clearTimeout(timer);
  }
}
