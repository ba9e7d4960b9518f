using System.Buffers.Binary;

namespace UserSvc.Tests.Attacks;

/// <summary>Frames of HTTP/2, right or wrong (RFC 9113, 4.1).</summary>
internal static class Http2Frame
{
    public const byte Data = 0;
    public const byte Headers = 1;
    public const byte Priority = 2;
    public const byte ResetStream = 3;
    public const byte Settings = 4;
    public const byte Ping = 6;
    public const byte WindowUpdate = 8;
    public const byte Continuation = 9;

    public const byte EndStream = 1;
    public const byte EndHeaders = 4;

    /// <summary>The connection preface with empty settings.</summary>
    public static readonly byte[] Preface = [.. "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8, .. Create(Settings, 0, 0)];

    // RFC 7541, appendix A: 2 is :method GET and 3 POST, 7 :scheme https; 4 is :path and 1 :authority, whose values follow with their lengths.
    public static readonly byte[] Get = [0x82, 0x87, 0x04, 11, .. "/user/quiet"u8, 0x01, 1, (byte)'x'];
    public static readonly byte[] Post = [0x83, 0x87, 0x04, 11, .. "/user/quiet"u8, 0x01, 1, (byte)'x'];

    public static byte[] Create(byte type, byte flags, int stream, params byte[] payload)
    {
        var frame = new byte[9 + payload.Length];
        BinaryPrimitives.WriteInt32BigEndian(frame, payload.Length << 8);
        frame[3] = type;
        frame[4] = flags;
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(5), stream);
        payload.CopyTo(frame, 9);
        return frame;
    }
}
