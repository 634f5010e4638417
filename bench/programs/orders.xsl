<?xml version="1.0"?>
<!-- An order as a page: a table of its lines, by name, and how many things they are. -->
<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">
  <xsl:output method="html" indent="yes"/>
  <xsl:template match="/order">
    <html>
      <body>
        <h1>Order <xsl:value-of select="@id"/> of <xsl:value-of select="@customer"/></h1>
        <table>
          <xsl:apply-templates select="line"><xsl:sort select="name"/></xsl:apply-templates>
        </table>
        <p><xsl:value-of select="sum(line/@quantity)"/> things</p>
      </body>
    </html>
  </xsl:template>
  <xsl:template match="line">
    <tr>
      <td><xsl:value-of select="concat(@quantity, ' times ', name)"/></td>
      <td><xsl:value-of select="translate(note, 'abc', 'ABC')"/></td>
    </tr>
  </xsl:template>
</xsl:stylesheet>
