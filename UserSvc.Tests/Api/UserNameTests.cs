using UserSvc.Api.Users;

namespace UserSvc.Tests.Api;

public sealed class UserNameTests
{
    [Theory]
    [InlineData("a")]
    [InlineData("7")]
    [InlineData("\u0667")]
    [InlineData("a.b")]
    [InlineData("a_b")]
    [InlineData("a@b")]
    [InlineData("a+b")]
    [InlineData("a-b")]
    [InlineData("a\u0334")]
    [InlineData("\u0915\u093E")]
    [InlineData("a\u20DD")]
    [InlineData("\U0001D49C\U0001D49C")]
    [InlineData("healthy")]
    public void Name_OfTheseCharacters_StaysAsItIs(string name)
    {
        var allowed = UserName.TryNormalize(name, out var normal);

        Assert.Equal((true, name), (allowed, normal));
    }

    [Theory]
    [InlineData("")]
    [InlineData(".a")]
    [InlineData("_a")]
    [InlineData("@a")]
    [InlineData("+a")]
    [InlineData("-a")]
    [InlineData("\u0301a")]
    [InlineData("\u093Ea")]
    [InlineData("\u20DDa")]
    [InlineData("a b")]
    [InlineData("a/b")]
    [InlineData("a\u00B2")]
    [InlineData("a\u2160")]
    [InlineData("a\u200D")]
    [InlineData("\uD835")]
    [InlineData("a\uD835")]
    [InlineData("a\uD835b")]
    [InlineData("a\uDC9C")]
    [InlineData("\uDC9C\uD835")]
    [InlineData("a\uFFFE")]
    [InlineData("\U0001D49C\uFFFE")]
    [InlineData("\U0001D49C\uDC9C")]
    [InlineData("health")]
    [InlineData("hEALTH")]
    public void Name_OfTheseCharacters_IsRefused(string name)
    {
        var allowed = UserName.TryNormalize(name, out var normal);

        Assert.Equal((false, null), (allowed, normal));
    }

    [Theory]
    [InlineData("alice", true)]
    [InlineData("José", true)]
    [InlineData("Дмитрий", true)]
    [InlineData("山田太郎", true)]
    [InlineData("\u0915\u093E", true)]
    // Cyrillic letters that look like Latin ones.
    [InlineData("\u0430li\u0441e", true)]
    [InlineData("\uFF21lice", false)]
    [InlineData("\uFB01ona", false)]
    [InlineData("\u1D43lice", false)]
    [InlineData("\U0001D49Clice", false)]
    [InlineData("\u3164", false)]
    [InlineData("\u1160", false)]
    [InlineData("\uFFA0", false)]
    [InlineData("al\u034Fice", false)]
    [InlineData("alice\uFE0F", false)]
    [InlineData("alice\U000E0100", false)]
    [InlineData("\u1780\u17B4", false)]
    [InlineData("\u1820\u180B", false)]
    public void Name_OfANewUser_MustBeVisibleAndNoVariant(string name, bool distinct)
    {
        Assert.True(UserName.TryNormalize(name, out var normal));

        Assert.Equal(distinct, UserName.IsDistinct(normal));
    }

    /// <summary>A character as sent, repeated; and its normal form.</summary>
    [Theory]
    [InlineData("a", 64, "a")]
    [InlineData("a", 65, null)]
    [InlineData("\U0001D49C", 64, "\U0001D49C")]
    [InlineData("\U0001D49C", 65, null)]
    [InlineData("e\u0301", 64, "\u00E9")]
    [InlineData("e\u0301", 65, null)]
    [InlineData("\u03B1\u0313\u0300\u0345", 64, "\u1F82")]
    [InlineData("\u03B1\u0313\u0300\u0345", 65, null)]
    public void Name_OfSoManyCharacters_IsCountedInItsNormalForm(string character, int times, string? normalCharacter)
    {
        var allowed = UserName.TryNormalize(string.Concat(Enumerable.Repeat(character, times)), out var name);

        var expected = normalCharacter is null ? null : string.Concat(Enumerable.Repeat(normalCharacter, times));
        Assert.Equal((expected is not null, expected), (allowed, name));
    }
}
