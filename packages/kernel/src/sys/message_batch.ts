/** Receive buffers for recvmmsg(2): several datagrams for the price of one call. */
export interface MessageBatch {
  readonly buffers: readonly Uint8Array[];
  /** struct mmsghdr[], as the system call wants it. Everything it points to lives as long as this object. */
  readonly headers: Uint8Array;
  /** True length of the datagram in buffer `index`, after a call; larger than the buffer when it was cut. */
  lengthOf(index: number): number;
}

// struct mmsghdr of 64-bit machines: struct msghdr (name, namelen, iov, iovlen, control, controllen, flags), msg_len.
const HEADER_WORDS = 8;
const IOV = 2;
const IOV_LENGTH = 3;
const MESSAGE_LENGTH_U32 = 14;

/** @param addressOf where the memory of an array begins */
export function messageBatch(
  buffers: readonly Uint8Array[],
  addressOf: (array: ArrayBufferView) => bigint,
): MessageBatch {
  const vectors = new BigUint64Array(buffers.length * 2);
  const headers = new BigUint64Array(buffers.length * HEADER_WORDS);
  const vectorsAt = addressOf(vectors);
  buffers.forEach((buffer, index) => {
    vectors[index * 2] = addressOf(buffer);
    vectors[index * 2 + 1] = BigInt(buffer.length);
    headers[index * HEADER_WORDS + IOV] = vectorsAt + BigInt(index * 16);
    headers[index * HEADER_WORDS + IOV_LENGTH] = 1n;
  });
  const lengths = new Uint32Array(headers.buffer);
  return {
    buffers,
    headers: new Uint8Array(headers.buffer),
    lengthOf: (index) => lengths[index * HEADER_WORDS * 2 + MESSAGE_LENGTH_U32],
    // Kept reachable: the kernel writes through its address.
    ...{ vectors },
  };
}
