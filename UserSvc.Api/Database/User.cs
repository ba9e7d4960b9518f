using Npgsql;

namespace UserSvc.Api.Database;

/// <summary>A user as stored, without the password's hash.</summary>
internal sealed record User(Guid Uuid, string Name, string Fullname, long Version)
{
    /// <summary>What every query for users selects, in the order <see cref="Read"/> expects.</summary>
    public const string Columns = "uuid, username, fullname, version";

    /// <summary>32 upper-case hexadecimal digits.</summary>
    public string UuidText { get; } = ToText(Uuid);

    /// <summary>Weak (RFC 9110, 8.8.1): the body names the answering instance, so two answers mean the same without being the same bytes.</summary>
    public string ETag => $"W/\"{UuidText}-{Version}\"";

    public static User Read(NpgsqlDataReader reader) => new(reader.GetGuid(0), reader.GetString(1), reader.GetString(2), reader.GetInt64(3));

    private static string ToText(Guid uuid)
    {
        Span<byte> bytes = stackalloc byte[16];
        uuid.TryWriteBytes(bytes, bigEndian: true, out _);
        return Convert.ToHexString(bytes);
    }
}
