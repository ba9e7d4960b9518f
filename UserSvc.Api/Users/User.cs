namespace UserSvc.Api.Users;

/// <summary>A user as the lookup reads it: everything but the password's hash.</summary>
internal sealed record User(Guid Uuid, string Name, string Fullname, long Version)
{
    /// <summary>32 upper-case hexadecimal digits.</summary>
    public string UuidText
    {
        get
        {
            Span<byte> bytes = stackalloc byte[16];
            Uuid.TryWriteBytes(bytes, bigEndian: true, out _);
            return Convert.ToHexString(bytes);
        }
    }

    /// <summary>Weak (RFC 9110, 8.8.1): the body names the instance that answers, so it is equal in meaning, not in bytes.</summary>
    public string ETag => $"W/\"{UuidText}-{Version}\"";
}
